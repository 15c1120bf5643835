#include "cpu/convolution/winograd_weights.h"

#include <algorithm>

#include "cpu/convolution/winograd_math.h"

namespace dng::cpu {
namespace {

constexpr size_t kNine = 9;
// The channels of a filter lie one behind the other, the filters far apart: a few channels of all filters at a time.
constexpr size_t kChannels = 8;

struct Nines {
  float of[kChannels][kNine * kMaxWinogradPanel];
};

// Calls work(first filter, filters, first channel, channels) for the panels of a part, channels in small groups.
template <class Work>
void for_panels(const WinogradWeightsPart& part, const Work& work) {
  const auto panel = static_cast<size_t>(winograd_loops().panel);
  for (size_t n = 0; n < part.filter_count; n += panel) {
    for (size_t c = 0; c < part.channel_count; c += kChannels) {
      work(n, std::min(panel, part.filter_count - n), c, std::min(kChannels, part.channel_count - c));
    }
  }
}

}  // namespace

void winograd_points_of_weights(const WinogradWeightsPart& part, const float* weights, float* points, size_t step) {
  const auto panel = static_cast<size_t>(winograd_loops().panel);
  for_panels(part, [&](size_t n, size_t filters, size_t c, size_t channels) {
    Nines nines;
    for (size_t f = 0; f < filters; ++f) {
      const float* from = weights + kNine * ((part.first_filter + n + f) * part.channels + part.first_channel + c);
      for (size_t l = 0; l < channels; ++l) {
        for (size_t i = 0; i < kNine; ++i) nines.of[l][i * panel + f] = from[kNine * l + i];
      }
    }
    float* to = points + n * part.channel_count + c * filters;
    for (size_t l = 0; l < channels; ++l) {
      winograd_loops().filters(nines.of[l], static_cast<int>(filters), to + l * filters, step);
    }
  });
}

void winograd_points_of_rotated_weights(const WinogradWeightsPart& part, const float* weights, float* points,
                                        size_t step) {
  const auto panel = static_cast<size_t>(winograd_loops().panel);
  for_panels(part, [&](size_t n, size_t filters, size_t c, size_t channels) {
    for (size_t l = 0; l < channels; ++l) {
      const float* from = weights + kNine * ((part.first_channel + c + l) * part.filters + part.first_filter + n);
      float nine[kNine * kMaxWinogradPanel];
      for (size_t f = 0; f < filters; ++f) {
        for (size_t i = 0; i < kNine; ++i) nine[i * panel + f] = from[kNine * f + kNine - 1 - i];
      }
      winograd_loops().filters(nine, static_cast<int>(filters), points + n * part.channel_count + (c + l) * filters,
                               step);
    }
  });
}

void winograd_weights_of_points(const WinogradWeightsPart& part, const float* points, size_t step, size_t row,
                                int count, size_t sum_step, bool add, float* gradient) {
  const auto panel = static_cast<size_t>(winograd_loops().panel);
  for_panels(part, [&](size_t n, size_t filters, size_t c, size_t channels) {
    Nines nines;
    for (size_t l = 0; l < channels; ++l) {
      winograd_loops().filters_gradient(points + (c + l) * row + n, step, count, sum_step, static_cast<int>(filters),
                                        nines.of[l]);
    }
    for (size_t f = 0; f < filters; ++f) {
      float* to = gradient + kNine * ((part.first_filter + n + f) * part.channels + part.first_channel + c);
      for (size_t l = 0; l < channels; ++l) {
        for (size_t i = 0; i < kNine; ++i) {
          const float value = nines.of[l][i * panel + f];
          to[kNine * l + i] = add ? to[kNine * l + i] + value : value;
        }
      }
    }
  });
}

}  // namespace dng::cpu
