// Darknet's augmentation: what its classifier training does to an image.
#pragma once

#include "data/augment.h"

namespace dng::data {

// For Augmentation::own == false; `image` has the network's number of channels. See augment_for_training.
void augment_as_host(const Image& image, const Augmentation& augmentation, const Geometry& geometry,
                     CounterRandom* random, float* out);

}  // namespace dng::data
