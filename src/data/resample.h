// The random resized crop's resizing: fast, and without rounding in between.
#pragma once

#include "data/image.h"

namespace dng::data {

// Writes the part, resized to the network's size and mirrored or not, as planes of values from 0 to 1 (byte / 255): the
// first geometry.channels of R, G, B.
//
// Rows and columns each by themselves: along a side that shrinks an output pixel is the mean of what it covers of the
// input, pixels at its ends counted by the share that is covered; along a side that grows it is interpolated between
// the two input pixels whose centres are nearest, edges repeated. Weights are multiples of 2^-16 whose sum is exactly
// 1, so that an even part keeps its value to the bit.
void resample(const Part& part, bool mirror, const Geometry& geometry, float* out);

}  // namespace dng::data
