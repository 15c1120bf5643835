// Resizing in double precision, written out plainly: what data/resample.h and resize_rectangle are compared with.
#pragma once

#include <vector>

#include "data/image.h"

namespace dng::test {

// How a side of `in` pixels becomes one of `out`: matrix[out][in]. Mean of what is covered, or linear interpolation.
std::vector<std::vector<double>> area_weights(int in, int out);
std::vector<std::vector<double>> linear_weights(int in, int out);

// The rectangle of one plane, as bytes' values: result[y][x].
std::vector<std::vector<double>> resized_plane(const data::Image& image, int channel, const data::Rectangle& rectangle,
                                               const std::vector<std::vector<double>>& rows,
                                               const std::vector<std::vector<double>>& columns);

}  // namespace dng::test
