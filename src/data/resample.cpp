#include "data/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/simd.h"

namespace dng {
namespace {

constexpr double kUnit = 1 << 16;

// 1/255 in two parts: a byte times the first is exact, and with it the sum is byte / 255 rounded once, as PixelTable
// has it.
constexpr float kShare = 1.0f / 256 + 1.0f / 65536;
constexpr auto kRest = static_cast<float>(1 / 255. - (1 / 256. + 1 / 65536.));

// For every output pixel of a row or column `taps` input pixels from `first` on, with their weights.
struct Filter {
  int taps = 0;
  std::vector<int> first;
  std::vector<float> weights;  // [out][taps]
};

// Overlap of [from, to) with the pixel [at, at + 1).
double covered(double from, double to, int at) {
  return std::max(0.0, std::min(to, at + 1.0) - std::max(from, 1.0 * at));
}

// Rounded so that they stay multiples of 2^-16, what that leaves over given to the largest.
void round_weights(const double* exact, int count, float* weights) {
  double sum = 0;
  for (int t = 0; t < count; ++t) {
    const double rounded = std::round(exact[t] * kUnit) / kUnit;
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
  filter.weights.resize(static_cast<size_t>(out) * filter.taps);
  std::vector<double> exact(static_cast<size_t>(filter.taps));
  for (int i = 0; i < out; ++i) {
    const double centre = std::clamp((i + .5) * scale - .5, 0.0, in - 1.0);
    const double from = shrinks ? i * scale : centre;
    const int first = std::min(static_cast<int>(from), in - filter.taps);
    for (int t = 0; t < filter.taps; ++t) {
      exact[static_cast<size_t>(t)] =
          shrinks ? covered(from, from + scale, first + t) / scale : std::max(0.0, 1 - std::abs(centre - (first + t)));
    }
    filter.first.push_back(first);
    round_weights(exact.data(), filter.taps, filter.weights.data() + static_cast<size_t>(i) * filter.taps);
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

DNG_SIMD_CLONES void blend_rows(const uint8_t* a, const uint8_t* b, float weight_a, float weight_b, int count,
                                float* out) {
  for (int i = 0; i < count; ++i) out[i] = weight_a * static_cast<float>(a[i]) + weight_b * static_cast<float>(b[i]);
}

DNG_SIMD_CLONES void add_row(const uint8_t* in, float weight, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] += weight * static_cast<float>(in[i]);
}

// R, G, B and the byte without meaning of one pixel; compilers map it to one register.
using Pixel = float __attribute__((vector_size(16)));

inline Pixel load(const float* at) {
  Pixel pixel;
  std::memcpy(&pixel, at, sizeof pixel);
  return pixel;
}

// `taps` known to the compiler where it is small.
template <class Taps>
inline __attribute__((always_inline)) Pixel filtered(const float* row, const Filter& filter, size_t x, Taps taps) {
  const float* in = row + 4 * static_cast<size_t>(filter.first[x]);
  const float* weights = filter.weights.data() + x * static_cast<size_t>(taps);
  Pixel sum = weights[0] * load(in);
  for (int t = 1; t < taps; ++t) sum += weights[t] * load(in + 4 * t);
  return sum * kShare + sum * kRest;
}

template <class Taps>
inline __attribute__((always_inline)) void filter_columns(const float* row, const Filter& filter, Taps taps,
                                                          const Geometry& geometry, float* out) {
  const auto width = static_cast<size_t>(geometry.width), plane = width * static_cast<size_t>(geometry.height);
  size_t x = 0;
  for (; x + 4 <= width && geometry.channels == 3; x += 4) {
    const Pixel a = filtered(row, filter, x, taps), b = filtered(row, filter, x + 1, taps);
    const Pixel c = filtered(row, filter, x + 2, taps), d = filtered(row, filter, x + 3, taps);
    const Pixel red_green_ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Pixel red_green_cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Pixel blue_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Pixel blue_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const Pixel planes[3] = {__builtin_shufflevector(red_green_ab, red_green_cd, 0, 1, 4, 5),
                             __builtin_shufflevector(red_green_ab, red_green_cd, 2, 3, 6, 7),
                             __builtin_shufflevector(blue_ab, blue_cd, 0, 1, 4, 5)};
    for (size_t channel = 0; channel < 3; ++channel) {
      std::memcpy(out + channel * plane + x, &planes[channel], sizeof planes[channel]);
    }
  }
  for (; x < width; ++x) {
    const Pixel pixel = filtered(row, filter, x, taps);
    for (int channel = 0; channel < geometry.channels; ++channel) {
      out[static_cast<size_t>(channel) * plane + x] = pixel[channel];
    }
  }
}

template <int kTaps>
struct Fixed {
  constexpr operator int() const { return kTaps; }
};

DNG_SIMD_CLONES void filter_row(const float* row, const Filter& filter, const Geometry& geometry, float* out) {
  switch (filter.taps) {
    case 2:
      return filter_columns(row, filter, Fixed<2>(), geometry, out);
    case 3:
      return filter_columns(row, filter, Fixed<3>(), geometry, out);
    default:
      return filter_columns(row, filter, filter.taps, geometry, out);
  }
}

}  // namespace

void resample(const Part& part, bool mirror, const Geometry& geometry, float* out) {
  const Filter rows = make_filter(part.height, geometry.height);
  Filter columns = make_filter(part.width, geometry.width);
  if (mirror) reverse(&columns);
  const int count = 4 * part.width;
  std::vector<float> row(static_cast<size_t>(count));
  for (int y = 0; y < geometry.height; ++y, out += geometry.width) {
    const int first = rows.first[static_cast<size_t>(y)];
    const float* weights = rows.weights.data() + static_cast<size_t>(y) * rows.taps;
    const int second = std::min(1, rows.taps - 1);
    blend_rows(part.row(first), part.row(first + second), weights[0], second > 0 ? weights[1] : 0.0f, count,
               row.data());
    for (int t = 2; t < rows.taps; ++t) {
      if (weights[t] != 0) add_row(part.row(first + t), weights[t], count, row.data());
    }
    filter_row(row.data(), columns, geometry, out);
  }
}

}  // namespace dng
