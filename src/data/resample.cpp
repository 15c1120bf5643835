#include "data/resample.h"

#include <algorithm>
#include <cmath>

#include "base/instructions.h"
#include "base/simd.h"

namespace dng::data {
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

// The filter of a row for so many output pixels at a time, a group. The last is filled up with taps of weight 0.
struct Columns {
  int taps = 0;
  int reach = 0;                // the largest of the places
  std::vector<int32_t> first;   // [group] the first input pixel that one of them needs
  std::vector<int32_t> places;  // [group][pixel] from there on, the pixel's first tap
  std::vector<float> weights;   // [group][taps][pixel]
};

Columns in_groups(const Filter& filter, size_t size) {
  Columns columns;
  columns.taps = filter.taps;
  const size_t width = filter.first.size(), groups = (width + size - 1) / size;
  const auto taps = static_cast<size_t>(filter.taps);
  columns.first.reserve(groups);
  columns.places.resize(groups * size);
  columns.weights.resize(groups * taps * size);
  for (size_t x = 0; x < width; x += size) {
    const size_t group = x / size, count = std::min(size, width - x);
    const int* pixels = filter.first.data() + x;
    columns.first.push_back(*std::min_element(pixels, pixels + count));
    for (size_t i = 0; i < count; ++i) {
      const int32_t place = pixels[i] - columns.first.back();
      columns.places[x + i] = place;
      columns.reach = std::max(columns.reach, place);
      for (size_t t = 0; t < taps; ++t) {
        columns.weights[(group * taps + t) * size + i] = filter.weights[(x + i) * taps + t];
      }
    }
  }
  return columns;
}

// Rows in are pixels of a Part, rows between planes of floats, rows out planes of the network's input. `plane` is the
// number of floats from one plane to the next.
struct Loops {
  size_t group;  // output pixels
  void (*blend)(int channels, const uint8_t* a, const uint8_t* b, float weight_a, float weight_b, size_t width,
                size_t plane, float* out);
  void (*add)(int channels, const uint8_t* a, float weight, size_t width, size_t plane, float* out);
  // Reads up to two groups of floats from each tap of a group's first pixel on: the planes of `row` must have that
  // room.
  void (*filter)(int channels, const float* row, size_t in_plane, const Columns& columns, size_t width, size_t plane,
                 float* out);
};

#define DNG_LOOPS "data/resample_loops.h"
#include "base/loops_for_processor.h"

}  // namespace

void resample(const Part& part, bool mirror, const Geometry& geometry, float* out) {
  const Loops& run = loops();
  const Filter rows = make_filter(part.height, geometry.height);
  Filter columns = make_filter(part.width, geometry.width);
  if (mirror) reverse(&columns);
  const Columns groups = in_groups(columns, run.group);
  const auto in_width = static_cast<size_t>(part.width), width = static_cast<size_t>(geometry.width);
  const size_t in_plane = in_width + 2 * run.group, plane = width * static_cast<size_t>(geometry.height);
  std::vector<float> row(in_plane * static_cast<size_t>(geometry.channels));
  for (int y = 0; y < geometry.height; ++y, out += width) {
    const int first = rows.first[static_cast<size_t>(y)];
    const float* weights = rows.weights.data() + static_cast<size_t>(y) * rows.taps;
    const int second = std::min(1, rows.taps - 1);
    run.blend(geometry.channels, part.row(first), part.row(first + second), weights[0], second > 0 ? weights[1] : 0.0f,
              in_width, in_plane, row.data());
    for (int t = 2; t < rows.taps; ++t) {
      if (weights[t] != 0) {
        run.add(geometry.channels, part.row(first + t), weights[t], in_width, in_plane, row.data());
      }
    }
    run.filter(geometry.channels, row.data(), in_plane, groups, width, plane, out);
  }
}

}  // namespace dng::data
