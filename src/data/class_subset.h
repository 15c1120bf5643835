// A part of a dataset with the same number of images of each class.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"

namespace dng::data {

// The first `per_class` images of each class, in the dataset's order. Throws Error, which starts with `where`, for a
// class that has fewer.
std::unique_ptr<Dataset> first_of_each_class(std::unique_ptr<Dataset> images, int classes, int per_class,
                                             const std::string& where);

}  // namespace dng::data
