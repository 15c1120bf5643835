// What a small-channel convolution reads and writes, and which block does what: planned on the host.
//
// Every position reads, under each tap of the filter, one pixel. Forward has one class of positions. The gradient of
// the input has one for each remainder of row and column by the stride, and each class its own taps.
#pragma once

#include <algorithm>

#include "gpu/small_channel/pixels.h"

namespace dng::DNG_GPU {

// One pixel of the filter: position (row, column) reads pixel (row * in_step + down, column * in_step + across).
struct Tap {
  int weight, down, across;
  int offset;  // from the position's first pixel in shared memory, in numbers
};

// The positions of a class, and what they read.
struct PositionClass {
  int first_row = 0, first_column = 0;  // written: first + out_step * position
  int rows = 0, columns = 1;            // positions
  int taps = 0;
  Tap list[kMaxTaps] = {};
  int down = 0, across = 0;              // the least of the taps
  int down_range = 0, across_range = 0;  // the largest less the least
  gpu::Divider by_columns;
  Rectangles region;  // for a whole block

  void add(const Tap& tap) { list[taps++] = tap; }
};

struct Gather {
  static constexpr size_t kForStatistics = size_t{7} << 10;  // bytes of shared memory that are left for one
  int out_height, out_width, out_channels;
  int outputs, all_taps, inputs;  // of the weights: [outputs][all_taps][inputs]
  int in_step = 1, out_step = 1;
  int classes = 1;
  int tile_rows = 1;                          // rows of positions for a block
  int sides = 1;                              // blocks that share the channels written
  int read_padded = 16, written_padded = 16;  // the channels read; those that a block writes
  PositionClass list[kMaxStride * kMaxStride] = {};

  DNG_HOST_DEVICE int tiles_down() const { return (list[0].rows + tile_rows - 1) / tile_rows; }
  int blocks_across() const { return classes * tiles_down() * sides; }
  int positions() const { return tile_rows * list[0].columns; }
  // Whichever of outputs and inputs is read, rows are outputs.
  int weight_numbers(const PositionClass& c, bool transposed) const {
    return c.taps * (transposed ? read_padded : written_padded) *
           ((transposed ? written_padded : read_padded) + kApart);
  }
  size_t shared_bytes(bool transposed) const {
    int most = 0;
    for (int i = 0; i < classes; ++i) {
      const PositionClass& c = list[i];
      most = std::max(most, region_pixels(c) * (read_padded + kApart) + weight_numbers(c, transposed));
    }
    return static_cast<size_t>(most) * sizeof(gpu::BFloat16) + 2 * kMaxPositions * sizeof(int);
  }

  // After the classes' taps have been added. tile_rows is 0 where not even one fits.
  void plan(const gpu::ConvolutionShape& s, int processors, const data::Geometry& in, bool transposed) {
    read_padded = padded_channels(in.channels);
    const int all_written = padded_channels(out_channels);
    written_padded = std::min(all_written, 2 * kTile);
    sides = all_written / written_padded;
    for (int i = 0; i < classes; ++i) {
      PositionClass& c = list[i];
      c.by_columns = gpu::Divider(std::max(1, c.columns));
      for (int t = 0; t < c.taps; ++t) {
        c.down = t == 0 ? c.list[t].down : std::min(c.down, c.list[t].down);
        c.across = t == 0 ? c.list[t].across : std::min(c.across, c.list[t].across);
      }
      for (int t = 0; t < c.taps; ++t) {
        c.down_range = std::max(c.down_range, c.list[t].down - c.down);
        c.across_range = std::max(c.across_range, c.list[t].across - c.across);
      }
    }
    // As many rows as threads can prepare; fewer where processors would be without work, or they do not fit.
    constexpr int kFewPositions = 128;
    tile_rows = std::min(list[0].rows, kMaxPositions / list[0].columns);
    const auto few_blocks = [&] { return s.batch * blocks_across() < 2 * processors; };
    while (tile_rows > 1 && few_blocks() && positions() > kFewPositions) tile_rows = (tile_rows + 1) / 2;
    while (tile_rows > 0 && shared_bytes(transposed) + kForStatistics > kMaxShared) --tile_rows;
    for (int i = 0; i < classes; ++i) {
      PositionClass& c = list[i];
      c.region.height = in.height;
      c.region.width = in.width;
      c.region.channels = in.channels;
      c.region.shape(region_rows(c), region_columns(c));
      for (int t = 0; t < c.taps; ++t) {
        Tap& tap = c.list[t];
        tap.offset = ((tap.down - c.down) * c.region.columns + tap.across - c.across) * (read_padded + kApart);
      }
    }
  }

 private:
  // One at least, for classes without positions.
  int region_rows(const PositionClass& c) const { return (tile_rows - 1) * in_step + c.down_range + 1; }
  int region_columns(const PositionClass& c) const { return std::max(0, c.columns - 1) * in_step + c.across_range + 1; }
  int region_pixels(const PositionClass& c) const { return region_rows(c) * region_columns(c); }
};

inline Gather gather_into(const data::Geometry& written, const gpu::ConvolutionShape& s) {
  Gather g{};
  g.out_height = written.height;
  g.out_width = written.width;
  g.out_channels = written.channels;
  g.outputs = s.out.channels;
  g.all_taps = s.size_y * s.size_x;
  g.inputs = s.in.channels;
  return g;
}

// Reads x, writes y.
inline Gather forward_gather(const gpu::ConvolutionShape& s, int processors) {
  Gather g = gather_into(s.out, s);
  g.in_step = s.stride_y;
  PositionClass& c = g.list[0];
  c.rows = s.out.height;
  c.columns = s.out.width;
  for (int r = 0; r < s.size_y; ++r) {
    for (int q = 0; q < s.size_x; ++q) c.add({r * s.size_x + q, r - s.padding, q - s.padding, 0});
  }
  g.plan(s, processors, s.in, false);
  return g;
}

// Reads dy, writes dx: dx[i] takes dy[o] times weight r where o * stride - padding + r = i.
inline Gather backward_gather(const gpu::ConvolutionShape& s, int processors) {
  Gather g = gather_into(s.in, s);
  g.out_step = s.stride_y;
  g.classes = s.stride_y * s.stride_y;
  for (int i = 0; i < g.classes; ++i) {
    PositionClass& c = g.list[i];
    c.first_row = i / s.stride_y;
    c.first_column = i % s.stride_y;
    c.rows = (s.in.height - c.first_row + s.stride_y - 1) / s.stride_y;
    c.columns = (s.in.width - c.first_column + s.stride_y - 1) / s.stride_y;
    for (int r = 0; r < s.size_y; ++r) {
      for (int q = 0; q < s.size_x; ++q) {
        const int down = c.first_row + s.padding - r, across = c.first_column + s.padding - q;
        // Divisible: also below zero is the remainder zero then, and only then.
        if (down % s.stride_y != 0 || across % s.stride_y != 0) continue;
        c.add({r * s.size_x + q, down / s.stride_y, across / s.stride_y, 0});
      }
    }
  }
  g.plan(s, processors, s.out, true);
  return g;
}

}  // namespace dng::DNG_GPU
