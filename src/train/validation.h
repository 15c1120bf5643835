// The validation of a training: dealt over its ranks, counted in the order of the images.
#pragma once

#include "data/dataset.h"
#include "eval/accuracy.h"
#include "train/ranks.h"

namespace dng::train {

eval::Accuracy validate(network::Network* network, const data::Dataset& data, int k, int threads, const Ranks& ranks);

}  // namespace dng::train
