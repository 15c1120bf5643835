// Resizing of the random resized crop, without rounding in between.
#pragma once

#include "data/image.h"

namespace dng::data {

// Writes the part, resized to the network's size and mirrored or not, as planes of values from 0 to 1 (byte / 255): the
// first geometry.channels of R, G, B.
//
// Separable: along a side that shrinks, an output pixel is the mean of the input that it covers, partly covered pixels
// weighted by their share; along a side that grows, it is interpolated linearly, edges repeated. Weights are multiples
// of 2^-16 whose sum is exactly 1, so that a uniform part keeps its value bit for bit.
void resample(const Part& part, bool mirror, const Geometry& geometry, float* out);

}  // namespace dng::data
