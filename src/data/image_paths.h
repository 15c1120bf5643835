// Which image files a command line names.
#pragma once

#include <string>
#include <vector>

namespace dng::data {

// Each argument is an image file; a folder, which means the images in it and in the folders below, sorted by path; a
// list, a text file with one path a line as data/image_list.h reads it; or "-", a list on the standard input. What is
// neither is taken for an image, which fails where it is decoded. Throws Error for a folder or a list without images.
std::vector<std::string> image_paths(const std::vector<std::string>& arguments);

}  // namespace dng::data
