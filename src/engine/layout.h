// Memory layouts of activations. Plain is Darknet's [batch][channels][height][width]; blocked is oneDNN's nChw16c,
// [batch][channels / 16][height][width][16], with the channels rounded up to a multiple of 16; the numbers of the
// added channels are finite and of no meaning.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace dng {

enum class Layout { kPlain, kBlocked };

constexpr int kLanes = 16;

inline int round_up_to_lanes(int channels) { return (channels + kLanes - 1) / kLanes * kLanes; }

// Blocked where the added channels are a third of the real ones at most.
inline bool can_block(const Geometry& shape) {
  return 3 * (round_up_to_lanes(shape.channels) - shape.channels) <= shape.channels;
}

// An image as rows: a row holds one channel (plain: height * width numbers) or 16 of them (blocked: height * width *
// 16). In a row, number i belongs to channel `channel(row)` (plain) or `channel(row) + i % 16` (blocked).
struct Rows {
  Rows() = default;
  Rows(const Geometry& shape, Layout layout)
      : channels(layout == Layout::kBlocked ? round_up_to_lanes(shape.channels) : shape.channels),
        block(layout == Layout::kBlocked ? kLanes : 1),
        space(static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width)) {}
  int channels = 0;  // with the added ones
  int block = 1;
  size_t space = 0;

  int count() const { return channels / block; }
  size_t length() const { return space * static_cast<size_t>(block); }
  size_t size() const { return space * static_cast<size_t>(channels); }
  size_t offset(int row) const { return static_cast<size_t>(row) * length(); }
  int channel(int row) const { return row * block; }
};

// Floats that an image takes.
inline size_t floats_of(const Geometry& shape, Layout layout) { return Rows(shape, layout).size(); }

}  // namespace dng
