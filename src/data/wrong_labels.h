// Wrong labels for a training set, to study how robust a training is.
#pragma once

#include <memory>

#include "data/dataset.h"

namespace dng::data {

// Each image has with probability `share` one of the other classes as its label, drawn from (seed, image) alone: the
// same in every epoch, for a teacher's and its student's training with one seed, and for every number of threads.
std::unique_ptr<Dataset> with_wrong_labels(std::unique_ptr<Dataset> images, int classes, double share, uint64_t seed);

}  // namespace dng::data
