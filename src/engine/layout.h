// Memory layouts of activations. Plain is Darknet's [batch][channels][height][width]; blocked is oneDNN's nChw16c,
// [batch][channels / 16][height][width][16], which needs channels to be a multiple of 16 and the same number of floats.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace dng {

enum class Layout { kPlain, kBlocked };

constexpr int kLanes = 16;

inline bool can_block(const Geometry& shape) { return shape.channels % kLanes == 0; }

// A tensor as rows: a row holds one channel (plain: height * width numbers) or 16 of them (blocked: height * width *
// 16). In a row, number i belongs to channel `channel(row)` (plain) or `channel(row) + i % 16` (blocked).
struct Rows {
  Rows(const Geometry& shape, int batch_size, Layout layout)
      : batch(batch_size),
        channels(shape.channels),
        block(layout == Layout::kBlocked ? kLanes : 1),
        space(static_cast<size_t>(shape.height) * shape.width) {}
  int batch, channels, block;
  size_t space;

  int per_image() const { return channels / block; }
  int count() const { return batch * per_image(); }
  size_t length() const { return space * static_cast<size_t>(block); }
  size_t offset(int row) const { return static_cast<size_t>(row) * length(); }
  int channel(int row) const { return row % per_image() * block; }
  int image(int row) const { return row / per_image(); }
};

}  // namespace dng
