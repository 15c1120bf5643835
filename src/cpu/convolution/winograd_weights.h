// Weights of a convolution of 3x3, [filters][channels][3][3], to Winograd's points (cpu/convolution/winograd_math.h)
// and the inverse, a rectangle of them at a time.
#pragma once

#include <cstddef>

namespace dng::cpu {

struct WinogradWeightsPart {
  size_t filters = 0, channels = 0;  // of all weights
  size_t first_filter = 0, filter_count = 0;
  size_t first_channel = 0, channel_count = 0;
};

// To points[i * step + ...]: [filter_count / panel][channel_count][panel], as winograd_multiply takes them.
void winograd_points_of_weights(const WinogradWeightsPart& part, const float* weights, float* points, size_t step);
// The same for backward-data, whose filters are forward's channels, rotated by 180 degrees: `part` means filters and
// channels of backward-data.
void winograd_points_of_rotated_weights(const WinogradWeightsPart& part, const float* weights, float* points,
                                        size_t step);
// gradient = (or +=, where `add`) that of a part of the weights, from the sum of `count` points[i * step + ...]:
// [channel_count][row] each, whose first filter_count are of the part; sum_step floats from one to the next.
void winograd_weights_of_points(const WinogradWeightsPart& part, const float* points, size_t step, size_t row,
                                int count, size_t sum_step, bool add, float* gradient);

}  // namespace dng::cpu
