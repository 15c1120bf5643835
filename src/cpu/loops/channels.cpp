#include "cpu/loops/channels.h"

#include <algorithm>
#include <cstring>

#include "base/simd.h"
#include "cpu/loops/row_math.h"

namespace dng::cpu {
namespace {

// `count` neighbouring lanes of every pixel.
DNG_SIMD_CLONES void copy_lanes(const float* from, float* to, size_t space, size_t block, int count) {
  for (size_t i = 0; i < space; ++i) {
    for (int l = 0; l < count; ++l) to[i * block + static_cast<size_t>(l)] = from[i * block + static_cast<size_t>(l)];
  }
}

DNG_SIMD_CLONES void add_lanes(const float* from, float* to, size_t space, size_t block, int count) {
  for (size_t i = 0; i < space; ++i) {
    for (int l = 0; l < count; ++l) to[i * block + static_cast<size_t>(l)] += from[i * block + static_cast<size_t>(l)];
  }
}

}  // namespace

void clear_padding(float* image, const data::Geometry& shape, Layout layout) {
  const Rows rows(shape, layout);
  if (rows.channels == shape.channels) return;
  const int lane = shape.channels % rows.block;
  float* first = image + rows.offset(rows.count() - 1) + lane;
  for (size_t i = 0; i < rows.length(); i += static_cast<size_t>(rows.block)) {
    std::fill_n(first + i, rows.block - lane, 0.0f);
  }
}

void copy_channels(const Channels& from, const Channels& to, int count, bool add) {
  const size_t space = from.rows.space;
  const bool aligned = from.first % from.rows.block == 0 && to.first % to.rows.block == 0 && count % to.rows.block == 0;
  if (aligned) {
    const float* first = from.data + static_cast<size_t>(from.first) * space;
    float* target = to.data + static_cast<size_t>(to.first) * space;
    const size_t size = static_cast<size_t>(count) * space;
    if (add) return row_accumulate(first, size, target);
    std::memcpy(target, first, size * sizeof(float));
    return;
  }
  const int block = from.rows.block;
  for (int done = 0; done < count;) {
    const int a = from.first + done, b = to.first + done;
    const int run = std::min({count - done, block - a % block, block - b % block});
    const float* first = from.data + static_cast<size_t>(a / block) * from.rows.length() + a % block;
    float* target = to.data + static_cast<size_t>(b / block) * to.rows.length() + b % block;
    (add ? add_lanes : copy_lanes)(first, target, space, static_cast<size_t>(block), run);
    done += run;
  }
}

}  // namespace dng::cpu
