// A network whose cfg begins with [crop]: its input is cut out of a frame, which is prepared like an input of its size.
#pragma once

#include <functional>

#include "data/augment.h"

namespace dng::data {

// `prepare` fills the frame, with an augmentation that has none. With `random` the place is drawn for each image, and a
// left-right flip where crop_flip is set; without it is the centre.
using PrepareFrame = std::function<void(const Augmentation& augmentation, const Geometry& frame, float* out)>;
void cut_out_of_frame(const Augmentation& augmentation, const Geometry& geometry, CounterRandom* random,
                      const PrepareFrame& prepare, float* out);

}  // namespace dng::data
