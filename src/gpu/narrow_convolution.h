// Convolutions between few channels (64 at most) in bfloat16: what CIFAR's ResNets consist of, and where the tiles of
// libraries are mostly empty. A block keeps its piece of the images and the weights in shared memory and multiplies on
// the tensor cores, without unrolling the images: the pixels under a tap of the filter are rows of a product, wherever
// they lie.
//
//   gather    forward, and the gradient of the input: every position reads, under each tap, one pixel. With a stride,
//             the gradient has a class of positions for each remainder of row and column, and each class its own taps.
//   weights   the gradient of the weights: blocks sum over shares of the images, a second kernel over the blocks, always
//             in the same order.
#pragma once

#include <algorithm>
#include <memory>

#include "gpu/shared_workspace.h"
#include "gpu/tile.h"

namespace dng::DNG_GPU {

using Eight = gpu::Pack<gpu::BFloat16, kPackOfTile>;

constexpr int kMostChannels = 64, kMostSize = 3, kMostTaps = kMostSize * kMostSize, kMostStride = 2;
// Rows of shared memory are longer by this: the eight that are read at once then lie in different banks.
constexpr int kApart = 8;

DNG_HOST_DEVICE inline int rounded_up(int number, int multiple) { return (number + multiple - 1) / multiple * multiple; }
// 16, 32 or 64
inline int padded_channels(int channels) { return channels <= 16 ? 16 : channels <= 32 ? 32 : 64; }

// Eight channels of a pixel of [pixels][channels], zero beyond the last channel; `channel` is a multiple of eight.
DNG_DEVICE inline Eight eight_channels(const gpu::BFloat16* pixel, int channel, int channels) {
  Eight eight{};
  if (channels % kPackOfTile == 0) {
    if (channel < channels) eight = *reinterpret_cast<const Eight*>(pixel + channel);
  } else {
    for (int i = 0; i < kPackOfTile && channel + i < channels; ++i) eight.values[i] = pixel[channel + i];
  }
  return eight;
}
DNG_DEVICE inline void put(const Eight& eight, gpu::BFloat16* to) { *reinterpret_cast<Eight*>(to) = eight; }

// A rectangle of one image of [batch][height][width][channels], for shared memory: [rows][columns][padded + kApart],
// zero outside of the image.
struct Rectangle {
  const gpu::BFloat16* image;
  int height, width, channels, padded;
  int top, left, rows, columns;

  DNG_DEVICE int stride() const { return padded + kApart; }
  DNG_DEVICE void load(const Block& block, gpu::BFloat16* to) const {
    const int packs = padded / kPackOfTile, items = rows * columns * packs;
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int pixel = i / packs, channel = i % packs * kPackOfTile;
        const int y = top + pixel / columns, x = left + pixel % columns;
        Eight eight{};
        if (y >= 0 && y < height && x >= 0 && x < width) {
          eight = eight_channels(image + (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
                                             static_cast<size_t>(channels),
                                 channel, channels);
        }
        put(eight, to + pixel * stride() + channel);
      }
    });
  }
};

// One pixel of the filter: position (row, column) reads pixel (row * in_step + down, column * in_step + across).
struct Tap {
  int weight, down, across;
};

// The positions of a class, and what they read.
struct PositionClass {
  int first_row = 0, first_column = 0;  // written: first + out_step * position
  int rows = 0, columns = 0;            // positions
  int taps = 0;
  Tap list[kMostTaps] = {};
  int down = 0, across = 0;                  // the least of the taps
  int down_range = 0, across_range = 0;      // the largest less the least
};

struct Gather {
  int in_height, in_width, in_channels;
  int out_height, out_width, out_channels;
  int outputs, all_taps, inputs;  // of the weights: [outputs][all_taps][inputs]
  int in_step = 1, out_step = 1;
  int classes = 1;
  int tile_rows = 1;  // rows of positions for a block
  PositionClass list[kMostStride * kMostStride] = {};
  int read_padded, written_padded;

  int tiles_down() const { return (list[0].rows + tile_rows - 1) / tile_rows; }
  size_t region_numbers(const PositionClass& c) const {
    return static_cast<size_t>((tile_rows - 1) * in_step + c.down_range + 1) *
           static_cast<size_t>((c.columns - 1) * in_step + c.across_range + 1) *
           static_cast<size_t>(read_padded + kApart);
  }
  // Whichever of outputs and inputs is read, rows are outputs.
  size_t weight_numbers(const PositionClass& c, bool transposed) const {
    return static_cast<size_t>(c.taps) * static_cast<size_t>(transposed ? read_padded : written_padded) *
           static_cast<size_t>((transposed ? written_padded : read_padded) + kApart);
  }
  size_t shared_bytes(bool transposed) const {
    size_t most = 0;
    for (int c = 0; c < classes; ++c) {
      most = std::max(most, region_numbers(list[c]) + weight_numbers(list[c], transposed));
    }
    return most * sizeof(gpu::BFloat16);
  }
  // As many rows as are worth a block's start; 0: not even one fits.
  void choose_tile(bool transposed) {
    constexpr int kPositions = 256;
    tile_rows = std::max(1, std::min(list[0].rows, kPositions / std::max(1, list[0].columns)));
    if (read_padded > 16) tile_rows = std::max(1, tile_rows / 2);
    while (tile_rows > 0 && shared_bytes(transposed) > kMostShared) --tile_rows;
  }
};

// Reads x, writes y.
inline Gather forward_gather(const gpu::ConvolutionShape& s) {
  Gather g{};
  g.in_height = s.in.height;
  g.in_width = s.in.width;
  g.in_channels = g.inputs = s.in.channels;
  g.out_height = s.out.height;
  g.out_width = s.out.width;
  g.out_channels = g.outputs = s.out.channels;
  g.all_taps = s.size_y * s.size_x;
  g.in_step = s.stride;
  g.read_padded = padded_channels(g.in_channels);
  g.written_padded = padded_channels(g.out_channels);
  PositionClass& c = g.list[0];
  c.rows = s.out.height;
  c.columns = s.out.width;
  for (int r = 0; r < s.size_y; ++r) {
    for (int q = 0; q < s.size_x; ++q) c.list[c.taps++] = {r * s.size_x + q, r - s.padding, q - s.padding};
  }
  c.down = c.across = -s.padding;
  c.down_range = s.size_y - 1;
  c.across_range = s.size_x - 1;
  g.choose_tile(false);
  return g;
}

// Reads dy, writes dx: dx[i] takes dy[o] times weight r where o * stride - padding + r = i.
inline Gather backward_gather(const gpu::ConvolutionShape& s) {
  Gather g{};
  g.in_height = s.out.height;
  g.in_width = s.out.width;
  g.in_channels = g.outputs = s.out.channels;
  g.out_height = s.in.height;
  g.out_width = s.in.width;
  g.out_channels = g.inputs = s.in.channels;
  g.all_taps = s.size_y * s.size_x;
  g.out_step = s.stride;
  g.classes = s.stride * s.stride;
  g.read_padded = padded_channels(g.in_channels);
  g.written_padded = padded_channels(g.out_channels);
  for (int i = 0; i < g.classes; ++i) {
    PositionClass& c = g.list[i];
    c.first_row = i / s.stride;
    c.first_column = i % s.stride;
    c.rows = (s.in.height - c.first_row + s.stride - 1) / s.stride;
    c.columns = (s.in.width - c.first_column + s.stride - 1) / s.stride;
    int down_end = 0, across_end = 0;
    for (int r = 0; r < s.size_y; ++r) {
      for (int q = 0; q < s.size_x; ++q) {
        const int down = c.first_row + s.padding - r, across = c.first_column + s.padding - q;
        // Divisible, also below zero.
        if ((down % s.stride + s.stride) % s.stride != 0 || (across % s.stride + s.stride) % s.stride != 0) continue;
        const Tap tap = {r * s.size_x + q, down / s.stride, across / s.stride};
        const bool first = c.taps == 0;
        c.down = first ? tap.down : std::min(c.down, tap.down);
        c.across = first ? tap.across : std::min(c.across, tap.across);
        down_end = first ? tap.down : std::max(down_end, tap.down);
        across_end = first ? tap.across : std::max(across_end, tap.across);
        c.list[c.taps++] = tap;
      }
    }
    c.down_range = down_end - c.down;
    c.across_range = across_end - c.across;
  }
  g.choose_tile(true);
  return g;
}

// kInner: tiles of the channels read; kSide: tiles of the channels written, of a warp; kTransposed: the gradient, which
// reads outputs and writes inputs.
template <int kInner, int kSide, bool kTransposed>
struct GatherBody {
  Gather g;
  const gpu::BFloat16 *in, *weights;
  gpu::BFloat16* out;
  bool add;
  // y = f(sum + bias + addend), each null where there is none.
  const gpu::BFloat16 *bias, *addend;
  bool relu;

  DNG_DEVICE void operator()(const Block& block, char* shared) const {
    const PositionClass& c = g.list[block.x() % g.classes];
    const int first = block.x() / g.classes * g.tile_rows;
    if (first >= c.rows) return;
    const int rows = c.rows - first < g.tile_rows ? c.rows - first : g.tile_rows, count = rows * c.columns;
    constexpr int kRead = kInner * kTile, kStride = kRead + kApart;
    const int outputs_padded = kTransposed ? kRead : g.written_padded;
    const int weight_stride = (kTransposed ? g.written_padded : kRead) + kApart;
    auto* filter = reinterpret_cast<gpu::BFloat16*>(shared);
    gpu::BFloat16* region = filter + c.taps * outputs_padded * weight_stride;

    load_weights(block, c, outputs_padded, weight_stride, filter);
    Rectangle read{};
    read.image = in + static_cast<size_t>(block.y()) * static_cast<size_t>(g.in_height) *
                          static_cast<size_t>(g.in_width) * static_cast<size_t>(g.in_channels);
    read.height = g.in_height;
    read.width = g.in_width;
    read.channels = g.in_channels;
    read.padded = kRead;
    read.top = first * g.in_step + c.down;
    read.left = c.across;
    read.rows = (rows - 1) * g.in_step + c.down_range + 1;
    read.columns = (c.columns - 1) * g.in_step + c.across_range + 1;
    read.load(block, region);
    block.barrier();

    block.each_warp([&](int warp) {
      const int beside = g.written_padded / (kSide * kTile), channel = warp % beside * (kSide * kTile);
      for (int tile = warp / beside; tile * kTile < count; tile += kWarps / beside) {
        TileC sums[kSide];
        for (TileC& sum : sums) clear(&sum);
        for (int t = 0; t < c.taps; ++t) {
          const int tap = ((c.list[t].down - c.down) * read.columns + c.list[t].across - c.across) * kStride;
          for (int k = 0; k < kInner; ++k) {
            TileA a;
            load_a(&a, [&](int row, int half) {
              const int wanted = tile * kTile + row, position = wanted < count ? wanted : count - 1;
              const int pixel = position / c.columns * g.in_step * read.columns + position % c.columns * g.in_step;
              return region + pixel * kStride + tap + k * kTile + half * kPackOfTile;
            });
            for (int j = 0; j < kSide; ++j) {
              TileB b;
              const gpu::BFloat16* corner =
                  filter + (kTransposed ? (t * outputs_padded + k * kTile) * weight_stride + channel + j * kTile
                                        : (t * outputs_padded + channel + j * kTile) * weight_stride + k * kTile);
              const auto at = [&](int row, int half) { return corner + row * weight_stride + half * kPackOfTile; };
              if (kTransposed) {
                load_b_transposed(&b, at);
              } else {
                load_b(&b, at);
              }
              multiply_add(&sums[j], a, b);
            }
          }
        }
        for (int j = 0; j < kSide; ++j) {
          for_pairs(&sums[j], [&](int row, int column, float one, float two) {
            const int position = tile * kTile + row;
            if (position >= count) return;
            const int y = c.first_row + g.out_step * (first + position / c.columns);
            const int x = c.first_column + g.out_step * (position % c.columns);
            const size_t pixel = (static_cast<size_t>(block.y()) * static_cast<size_t>(g.out_height) +
                                  static_cast<size_t>(y)) *
                                     static_cast<size_t>(g.out_width) +
                                 static_cast<size_t>(x);
            store_pair(pixel * static_cast<size_t>(g.out_channels), channel + j * kTile + column, one, two);
          });
        }
      }
    });
  }

 private:
  DNG_DEVICE void load_weights(const Block& block, const PositionClass& c, int outputs_padded, int weight_stride,
                               gpu::BFloat16* to) const {
    const int packs = (weight_stride - kApart) / kPackOfTile, items = c.taps * outputs_padded * packs;
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int channel = i % packs * kPackOfTile, output = i / packs % outputs_padded;
        const int tap = i / packs / outputs_padded;
        Eight eight{};
        if (output < g.outputs) {
          eight = eight_channels(weights + (output * g.all_taps + c.list[tap].weight) * g.inputs, channel, g.inputs);
        }
        put(eight, to + (tap * outputs_padded + output) * weight_stride + channel);
      }
    });
  }

  DNG_DEVICE void store_pair(size_t pixel, int channel, float one, float two) const {
    if (channel >= g.out_channels) return;
    if (g.out_channels % 2 == 0) {
      float pair[2] = {one, two};
      finish<2>(pixel, channel, pair);
    } else {
      finish<1>(pixel, channel, &one);
      if (channel + 1 < g.out_channels) finish<1>(pixel, channel + 1, &two);
    }
  }
  template <int V>
  DNG_DEVICE void finish(size_t pixel, int channel, float* values) const {
    const size_t at = pixel + static_cast<size_t>(channel);
    float other[V];
    if (bias != nullptr) {
      gpu::load<gpu::BFloat16, V>(bias + channel, other);
      for (int v = 0; v < V; ++v) values[v] += other[v];
    }
    const gpu::BFloat16* sum = add ? out : addend;
    if (sum != nullptr) {
      gpu::load<gpu::BFloat16, V>(sum + at, other);
      for (int v = 0; v < V; ++v) values[v] += other[v];
    }
    for (int v = 0; v < V; ++v) values[v] = relu && values[v] < 0 ? 0.0f : values[v];
    gpu::store<gpu::BFloat16, V>(values, out + at);
  }
};

// How the gradient of the weights is shared out. A job is a tile of outputs by inputs, for all taps; a block has some
// jobs, and several slices of the positions for each.
struct WeightsPlan {
  int batch, in_height, in_width, inputs, out_height, out_width, outputs;
  int size, stride, padding;
  int inputs_padded, outputs_padded;
  int tile_rows = 1;  // rows of positions that lie in shared memory at once
  int jobs, groups, jobs_of_group, slices;
  int shares;  // blocks that share the images

  explicit WeightsPlan(const gpu::ConvolutionShape& s, int processors)
      : batch(s.batch),
        in_height(s.in.height),
        in_width(s.in.width),
        inputs(s.in.channels),
        out_height(s.out.height),
        out_width(s.out.width),
        outputs(s.out.channels),
        size(s.size_y),
        stride(s.stride),
        padding(s.padding),
        inputs_padded(rounded_up(s.in.channels, kTile)),
        outputs_padded(rounded_up(s.out.channels, kTile)),
        jobs(inputs_padded / kTile * (outputs_padded / kTile)),
        groups((jobs + kWarps - 1) / kWarps),
        jobs_of_group((jobs + groups - 1) / groups),
        slices(kWarps / jobs_of_group) {
    constexpr int kPositions = 256, kBlocksOfProcessor = 2;
    tile_rows = std::max(1, std::min(out_height, kPositions / std::max(1, out_width)));
    while (tile_rows > 0 && shared_bytes() > kMostShared) --tile_rows;
    shares = std::max(1, std::min(tiles(), kBlocksOfProcessor * processors / groups));
  }
  DNG_HOST_DEVICE int taps() const { return size * size; }
  DNG_HOST_DEVICE int tiles_down() const { return tile_rows > 0 ? (out_height + tile_rows - 1) / tile_rows : 0; }
  DNG_HOST_DEVICE int tiles() const { return batch * tiles_down(); }
  DNG_HOST_DEVICE int positions() const { return rounded_up(tile_rows * out_width, kTile); }
  DNG_HOST_DEVICE int region_rows() const { return (tile_rows - 1) * stride + size; }
  DNG_HOST_DEVICE int region_columns() const { return (out_width - 1) * stride + size; }
  DNG_HOST_DEVICE int region_numbers() const { return region_rows() * region_columns() * (inputs_padded + kApart); }
  DNG_HOST_DEVICE int delta_numbers() const { return positions() * (outputs_padded + kApart); }
  size_t shared_bytes() const {
    const size_t loaded = static_cast<size_t>(region_numbers() + delta_numbers()) * sizeof(gpu::BFloat16) +
                          static_cast<size_t>(positions()) * sizeof(int);
    const size_t sums = static_cast<size_t>(kWarps * taps() * kTile * kTile) * sizeof(float);
    return std::max(loaded, sums);
  }
  DNG_HOST_DEVICE size_t padded_weights() const {
    return static_cast<size_t>(taps()) * static_cast<size_t>(outputs_padded) * static_cast<size_t>(inputs_padded);
  }
  size_t partial_bytes() const { return static_cast<size_t>(shares) * padded_weights() * sizeof(float); }
};

template <int kTaps>
struct WeightsBody {
  WeightsPlan p;
  const gpu::BFloat16 *x, *dy;
  float* partial;  // [shares][taps][outputs_padded][inputs_padded]

  struct Sums {
    TileC taps[kTaps];
  };

  DNG_DEVICE void operator()(const Block& block, char* shared) const {
    auto* region = reinterpret_cast<gpu::BFloat16*>(shared);
    gpu::BFloat16* delta = region + p.region_numbers();
    auto* pixels = reinterpret_cast<int*>(delta + p.delta_numbers());
    const int across = p.region_columns(), region_stride = p.inputs_padded + kApart;
    const int delta_stride = p.outputs_padded + kApart, positions = p.positions();
    PerWarp<Sums> sums;
    block.each_warp([&](int warp) {
      for (TileC& sum : sums[warp].taps) clear(&sum);
    });
    block.each_thread([&](int thread) {
      for (int i = thread; i < positions; i += kThreads) {
        const bool there = i < p.tile_rows * p.out_width;
        pixels[i] = there ? (i / p.out_width * across + i % p.out_width) * p.stride * region_stride : 0;
      }
    });
    const int tiles = p.tiles(), tiles_down = p.tiles_down();
    for (int tile = block.y(); tile < tiles; tile += block.count_y()) {
      const int image = tile / tiles_down, first = tile % tiles_down * p.tile_rows;
      block.barrier();
      load_region(block, image, first, region);
      load_delta(block, image, first, delta);
      block.barrier();
      block.each_warp([&](int warp) {
        const int job = block.x() * p.jobs_of_group + warp % p.jobs_of_group, slice = warp / p.jobs_of_group;
        if (slice >= p.slices || job >= p.jobs) return;
        const int inputs = p.inputs_padded / kTile, output = job / inputs * kTile, input = job % inputs * kTile;
        for (int k = slice * kTile; k < positions; k += p.slices * kTile) {
          TileA a;
          load_a_transposed(&a, [&](int inner, int half) {
            return delta + (k + inner) * delta_stride + output + half * kPackOfTile;
          });
          for (int tap = 0; tap < kTaps; ++tap) {
            constexpr int kSize = kTaps == 1 ? 1 : kMostSize;
            const int offset = (tap / kSize * across + tap % kSize) * region_stride + input;
            TileB b;
            load_b_transposed(&b, [&](int inner, int half) {
              return region + pixels[k + inner] + offset + half * kPackOfTile;
            });
            multiply_add(&sums[warp].taps[tap], a, b);
          }
        }
      });
    }
    block.barrier();
    // The slices' sums, one after the other.
    auto* slices = reinterpret_cast<float*>(shared);
    constexpr int kNumbers = kTaps * kTile * kTile;
    block.each_warp([&](int warp) {
      for (int tap = 0; tap < kTaps; ++tap) {
        float* to = slices + warp * kNumbers + tap * kTile * kTile;
        for_pairs(&sums[warp].taps[tap], [&](int row, int column, float one, float two) {
          to[row * kTile + column] = one;
          to[row * kTile + column + 1] = two;
        });
      }
    });
    block.barrier();
    block.each_thread([&](int thread) {
      for (int i = thread; i < p.jobs_of_group * kNumbers; i += kThreads) {
        const int mine = i / kNumbers, number = i % kNumbers, job = block.x() * p.jobs_of_group + mine;
        if (job >= p.jobs) continue;
        float sum = 0;
        for (int slice = 0; slice < p.slices; ++slice) {
          sum += slices[(slice * p.jobs_of_group + mine) * kNumbers + number];
        }
        const int inputs = p.inputs_padded / kTile, tap = number / (kTile * kTile);
        const int output = job / inputs * kTile + number / kTile % kTile, input = job % inputs * kTile + number % kTile;
        partial[static_cast<size_t>(block.y()) * p.padded_weights() +
                static_cast<size_t>((tap * p.outputs_padded + output) * p.inputs_padded + input)] = sum;
      }
    });
  }

 private:
  DNG_DEVICE void load_region(const Block& block, int image, int first, gpu::BFloat16* to) const {
    Rectangle read{};
    read.image = x + static_cast<size_t>(image) * static_cast<size_t>(p.in_height) * static_cast<size_t>(p.in_width) *
                         static_cast<size_t>(p.inputs);
    read.height = p.in_height;
    read.width = p.in_width;
    read.channels = p.inputs;
    read.padded = p.inputs_padded;
    read.top = first * p.stride - p.padding;
    read.left = -p.padding;
    read.rows = p.region_rows();
    read.columns = p.region_columns();
    read.load(block, to);
  }
  // Positions beyond the image are zero, and add nothing.
  DNG_DEVICE void load_delta(const Block& block, int image, int first, gpu::BFloat16* to) const {
    const int packs = p.outputs_padded / kPackOfTile, items = p.positions() * packs;
    const int there = (p.out_height - first < p.tile_rows ? p.out_height - first : p.tile_rows) * p.out_width;
    const gpu::BFloat16* from =
        dy + (static_cast<size_t>(image) * static_cast<size_t>(p.out_height) + static_cast<size_t>(first)) *
                 static_cast<size_t>(p.out_width) * static_cast<size_t>(p.outputs);
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int position = i / packs, channel = i % packs * kPackOfTile;
        Eight eight{};
        if (position < there) eight = eight_channels(from + position * p.outputs, channel, p.outputs);
        put(eight, to + position * (p.outputs_padded + kApart) + channel);
      }
    });
  }
};

// The sums of all shares, always in the same order.
struct WeightsSumBody {
  WeightsPlan p;
  const float* partial;
  gpu::BFloat16* to;
  bool add;

  static constexpr int kBeside = 32, kDeep = kThreads / kBeside;
  struct Shared {
    float sums[kDeep][kBeside];
  };

  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int weights = p.outputs * p.taps() * p.inputs;
    block.each_thread([&](int thread) {
      const int weight = block.x() * kBeside + thread % kBeside, depth = thread / kBeside;
      float sum = 0;
      if (weight < weights) {
        const int input = weight % p.inputs, tap = weight / p.inputs % p.taps(), output = weight / p.inputs / p.taps();
        const float* from = partial + (tap * p.outputs_padded + output) * p.inputs_padded + input;
        for (int share = depth; share < p.shares; share += kDeep) {
          sum += from[static_cast<size_t>(share) * p.padded_weights()];
        }
      }
      shared.sums[depth][thread % kBeside] = sum;
    });
    block.barrier();
    block.each_thread([&](int thread) {
      const int weight = block.x() * kBeside + thread;
      if (thread >= kBeside || weight >= weights) return;
      float sum = add ? gpu::to_float(to[weight]) : 0.0f;
      for (int depth = 0; depth < kDeep; ++depth) sum += shared.sums[depth][thread];
      to[weight] = gpu::from_float<gpu::BFloat16>(sum);
    });
  }
};

class NarrowConvolution final : public gpu::Convolution {
 public:
  // Null where the shape is none for it, or there is no memory.
  static std::unique_ptr<gpu::Convolution> make(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, bool trains,
                                                gpu::SharedWorkspace* workspace) {
    if (shape.precision != gpu::Precision::kBf16 || shape.groups != 1 || shape.size_y != shape.size_x ||
        (shape.size_y != 1 && shape.size_y != kMostSize) || shape.stride > kMostStride ||
        shape.padding >= shape.size_y || std::max(shape.in.channels, shape.out.channels) > kMostChannels ||
        shape.batch > 65535) {
      return nullptr;
    }
    std::unique_ptr<NarrowConvolution> made(new NarrowConvolution(gpu, shape, workspace));
    if (made->forward_.tile_rows < 1) return nullptr;
    if (!trains) return made;
    if (made->backward_.tile_rows < 1 || made->weights_.tile_rows < 1) return nullptr;
    const size_t bytes = made->weights_.partial_bytes();
    if (!workspace->reserve(bytes)) return nullptr;
    workspace->keep(bytes);
    return made;
  }

  void forward(const void* x, const void* weights, void* y) override {
    gather<false>(forward_, x, weights, y, false, nullptr, nullptr, false);
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend, bool relu,
                     void* y) override {
    gather<false>(forward_, x, weights, y, false, bias, addend, relu);
    return true;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    gather<true>(backward_, dy, weights, dx, add, nullptr, nullptr, false);
  }
  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    if (weights_.size == 1) {
      sum_weights<1>(x, dy, dweights, add);
    } else {
      sum_weights<kMostTaps>(x, dy, dweights, add);
    }
  }

 private:
  NarrowConvolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, gpu::SharedWorkspace* workspace)
      : gpu_(gpu),
        batch_(shape.batch),
        forward_(forward_gather(shape)),
        backward_(backward_gather(shape)),
        weights_(shape, gpu->processors()),
        workspace_(workspace) {}

  template <bool kTransposed>
  void gather(const Gather& g, const void* in, const void* weights, void* out, bool add, const void* bias,
              const void* addend, bool relu) const {
    switch (g.read_padded) {
      case 16:
        return gather_inner<kTransposed, 1>(g, in, weights, out, add, bias, addend, relu);
      case 32:
        return gather_inner<kTransposed, 2>(g, in, weights, out, add, bias, addend, relu);
      default:
        return gather_inner<kTransposed, 4>(g, in, weights, out, add, bias, addend, relu);
    }
  }
  template <bool kTransposed, int kInner>
  void gather_inner(const Gather& g, const void* in, const void* weights, void* out, bool add, const void* bias,
                    const void* addend, bool relu) const {
    const auto launch = [&](auto side) {
      GatherBody<kInner, decltype(side)::value, kTransposed> body{};
      body.g = g;
      body.in = static_cast<const gpu::BFloat16*>(in);
      body.weights = static_cast<const gpu::BFloat16*>(weights);
      body.out = static_cast<gpu::BFloat16*>(out);
      body.add = add;
      body.bias = static_cast<const gpu::BFloat16*>(bias);
      body.addend = static_cast<const gpu::BFloat16*>(addend);
      body.relu = relu;
      blocks_with(*gpu_, g.classes * g.tiles_down(), batch_, g.shared_bytes(kTransposed), body);
    };
    if (g.written_padded == kTile) {
      launch(std::integral_constant<int, 1>());
    } else {
      launch(std::integral_constant<int, 2>());
    }
  }
  template <int kTaps>
  void sum_weights(const void* x, const void* dy, void* dweights, bool add) const {
    auto* partial = static_cast<float*>(workspace_->data());
    WeightsBody<kTaps> body{weights_, static_cast<const gpu::BFloat16*>(x), static_cast<const gpu::BFloat16*>(dy),
                            partial};
    blocks_with(*gpu_, weights_.groups, weights_.shares, weights_.shared_bytes(), body);
    const int weights = weights_.outputs * weights_.taps() * weights_.inputs;
    blocks(*gpu_, (weights + WeightsSumBody::kBeside - 1) / WeightsSumBody::kBeside, 1,
           WeightsSumBody{weights_, partial, static_cast<gpu::BFloat16*>(dweights), add});
  }

  gpu::Gpu* gpu_;
  int batch_;
  Gather forward_, backward_;
  WeightsPlan weights_;
  gpu::SharedWorkspace* workspace_;
};

}  // namespace dng::DNG_GPU
