// Memory layouts of activations. Plain is Darknet's [batch][channels][height][width]; blocked is oneDNN's nChw16c
// with AVX-512, nChw4c with NEON, else nChw8c: [batch][channels / B][height][width][B], B = block_channels(), with the
// channels rounded up to a multiple of B; the values of the added channels are finite and of no meaning.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace dng::cpu {

enum class Layout { kPlain, kBlocked };

// Elements that loops over rows compute at a time: a multiple of every block.
constexpr int kLanes = 16;

// Channels of a block: what oneDNN's kernels for these instructions work with; with NEON, where they are plain code,
// what a register holds.
int block_channels();

inline int round_up_to_block(int channels) {
  const int block = block_channels();
  return (channels + block - 1) / block * block;
}

// Blocked where the added channels are a third of the real ones at most.
inline bool can_block(const data::Geometry& shape) {
  return 3 * (round_up_to_block(shape.channels) - shape.channels) <= shape.channels;
}

// An image as rows: a row holds the channels of one block (plain: one channel), height * width * block numbers. In a
// row, number i belongs to channel `channel(row) + i % block`.
struct Rows {
  Rows() = default;
  Rows(const data::Geometry& shape, Layout layout)
      : channels(layout == Layout::kBlocked ? round_up_to_block(shape.channels) : shape.channels),
        block(layout == Layout::kBlocked ? block_channels() : 1),
        space(static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width)) {}
  int channels = 0;  // with the added ones
  int block = 1;
  size_t space = 0;

  int count() const { return channels / block; }
  size_t length() const { return space * static_cast<size_t>(block); }
  size_t size() const { return space * static_cast<size_t>(channels); }
  size_t offset(int row) const { return static_cast<size_t>(row) * length(); }
  int channel(int row) const { return row * block; }
  // The channel that lane `l` of kLanes stands for.
  int channel(int row, int l) const { return row * block + l % block; }
};

// Floats that an image takes.
inline size_t floats_of(const data::Geometry& shape, Layout layout) { return Rows(shape, layout).size(); }

}  // namespace dng::cpu
