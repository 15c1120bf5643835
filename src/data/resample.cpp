#include "data/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/simd.h"

namespace dng::data {
namespace {

constexpr double kUnit = 1 << 16;

// 1/255 in two parts: a byte times the first is exact, and with it the sum is byte / 255 rounded once, as PixelTable
// has it.
constexpr float kShare = 1.0f / 256 + 1.0f / 65536;
constexpr auto kRest = static_cast<float>(1 / 255. - (1 / 256. + 1 / 65536.));

// Each output pixel of a row or column is the weighted sum of `taps` input pixels from `first` on.
struct Filter {
  int taps = 0;
  std::vector<int> first;
  std::vector<float> weights;  // [out][taps]
};

// Overlap of [from, to) with the pixel [at, at + 1).
double covered(double from, double to, int at) {
  return std::max(0.0, std::min(to, at + 1.0) - std::max(from, 1.0 * at));
}

// Rounds to multiples of 2^-16 and adds the remainder to the largest.
void round_weights(const double* exact, int count, float* weights) {
  double sum = 0;
  for (int t = 0; t < count; ++t) {
    const double rounded = static_cast<double>(std::lrint(exact[t] * kUnit)) / kUnit;
    weights[t] = static_cast<float>(rounded);
    sum += rounded;
  }
  *std::max_element(weights, weights + count) += static_cast<float>(1 - sum);
}

Filter make_filter(int in, int out) {
  Filter filter;
  const double scale = static_cast<double>(in) / out;
  const bool shrinks = in > out;
  filter.taps = std::min(in, shrinks ? static_cast<int>(std::ceil(scale)) + 1 : 2);
  filter.first.resize(static_cast<size_t>(out));
  filter.weights.resize(static_cast<size_t>(out) * filter.taps);
  std::vector<double> exact(static_cast<size_t>(filter.taps), 1.0);
  float* weights = filter.weights.data();
  for (int i = 0; i < out; ++i, weights += filter.taps) {
    const double centre = std::clamp((i + .5) * scale - .5, 0.0, in - 1.0);
    const double from = shrinks ? i * scale : centre;
    const int first = std::min(static_cast<int>(from), in - filter.taps);
    if (shrinks) {
      for (int t = 0; t < filter.taps; ++t) {
        exact[static_cast<size_t>(t)] = covered(from, from + scale, first + t) / scale;
      }
    } else if (filter.taps == 2) {
      exact[0] = 1 - (centre - first);
      exact[1] = centre - first;
    }
    filter.first[static_cast<size_t>(i)] = first;
    round_weights(exact.data(), filter.taps, weights);
  }
  return filter;
}

void reverse(Filter* filter) {
  std::reverse(filter->first.begin(), filter->first.end());
  std::reverse(filter->weights.begin(), filter->weights.end());
  // The taps of a pixel stay in their order.
  for (size_t i = 0; i < filter->weights.size(); i += static_cast<size_t>(filter->taps)) {
    std::reverse(filter->weights.begin() + static_cast<long>(i),
                 filter->weights.begin() + static_cast<long>(i) + filter->taps);
  }
}

// R, G, B and an unused value: a register of any processor. Loops in wider vectors saved 80 us of the 500 to 1,000 us
// that an image takes, where training is the bottleneck anyway (docs/performance.md).
typedef float Pixel __attribute__((vector_size(16), aligned(4), may_alias));

// Weighted sums of rows of `count` bytes: exact, so the same with and without fused multiply-add.
DNG_SIMD_CLONES void blend(const uint8_t* a, const uint8_t* b, float weight_a, float weight_b, size_t count,
                           float* __restrict out) {
  for (size_t i = 0; i < count; ++i) out[i] = weight_a * static_cast<float>(a[i]) + weight_b * static_cast<float>(b[i]);
}

DNG_SIMD_CLONES void add(const uint8_t* a, float weight, size_t count, float* __restrict out) {
  for (size_t i = 0; i < count; ++i) out[i] += weight * static_cast<float>(a[i]);
}

// The weighted sum of `taps` rows from `first` on.
void blend_rows(const Part& part, int first, const float* weights, int taps, float* out) {
  const size_t count = 4 * static_cast<size_t>(part.width);
  const int second = std::min(1, taps - 1);
  blend(part.row(first), part.row(first + second), weights[0], second > 0 ? weights[1] : 0.0f, count, out);
  for (int t = 2; t < taps; ++t) {
    if (weights[t] != 0) add(part.row(first + t), weights[t], count, out);
  }
}

}  // namespace

void resample(const Part& part, bool mirror, const Geometry& geometry, float* out) {
  const Filter rows = make_filter(part.height, geometry.height);
  Filter columns = make_filter(part.width, geometry.width);
  if (mirror) reverse(&columns);
  const size_t plane = static_cast<size_t>(geometry.height) * geometry.width;
  std::vector<float> row(4 * static_cast<size_t>(part.width));
  for (int y = 0; y < geometry.height; ++y) {
    const auto line = static_cast<size_t>(y);
    blend_rows(part, rows.first[line], &rows.weights[line * rows.taps], rows.taps, row.data());
    const float* weights = columns.weights.data();
    for (int x = 0; x < geometry.width; ++x, ++out) {
      const auto* in = reinterpret_cast<const Pixel*>(row.data()) + columns.first[x];
      Pixel sum = {};
      for (int t = 0; t < columns.taps; ++t) sum += *weights++ * in[t];
      const Pixel value = sum * kShare + sum * kRest;
      for (int c = 0; c < geometry.channels; ++c) out[c * plane] = value[c];
    }
  }
}

}  // namespace dng::data
