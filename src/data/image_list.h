// Data sets that are a list of image files.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"

namespace dng::data {

// A line of a list: a path, and behind a blank perhaps a class index. A number at the end of a line is the index,
// unless the whole line is the name of a file.
struct ListLine {
  std::string path, index;
};
ListLine split_list_line(const std::string& line);

// `content` is the text of the list at `path`. Checks every file and finds every label, see open_dataset and LabelRule.
std::unique_ptr<Dataset> open_image_list(const DataFile& data, const std::string& path, const std::string& role,
                                         const std::string& content);

}  // namespace dng::data
