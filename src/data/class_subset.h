// Parts of a dataset that are chosen class by class.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"

namespace dng::data {

// Each keeps the dataset's order. Throws Error, which starts with `where`, for a class that has fewer than `count`
// images, or as many where some must be left for the other part (the last two).
std::unique_ptr<Dataset> first_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                             const std::string& where);
std::unique_ptr<Dataset> last_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                            const std::string& where);
std::unique_ptr<Dataset> all_but_last_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                                    const std::string& where);

}  // namespace dng::data
