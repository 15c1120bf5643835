// The gradient of a small-channel convolution's weights: blocks sum over shares of the images, a second kernel over the
// blocks, always in the same order.
#pragma once

#include <algorithm>

#include "gpu/small_channel/pixels.h"

namespace dng::DNG_GPU {

// How the gradient of the weights is divided among blocks. A job is a tile of outputs by inputs, for all taps. Every
// block has one and sums over its share of the images; its warps take turns with the positions.
struct WeightsPlan {
  gpu::ConvolutionShape s;
  int input_tiles, jobs;
  int tile_rows = 1, tile_images = 1;  // that lie in shared memory at once
  int tiles_down = 1, tiles = 1;
  int positions = kTile;  // of a tile, a multiple of kTile
  int shares = 1;         // blocks for each job
  Rectangles region;
  gpu::Divider by_columns, by_image;  // of positions

  explicit WeightsPlan(const gpu::ConvolutionShape& shape, int processors)
      : s(shape),
        input_tiles(rounded_up(s.in.channels, kTile) / kTile),
        jobs(rounded_up(s.out.channels, kTile) / kTile * input_tiles),
        region() {
    region.height = s.in.height;
    region.width = s.in.width;
    region.channels = s.in.channels;
    const int out_height = s.out.height, out_width = s.out.width;
    for (tile_rows = std::min(out_height, kMaxPositions / out_width); tile_rows > 0; --tile_rows) {
      tile_images = tile_rows < out_height ? 1 : std::min(s.batch, kMaxPositions / (out_height * out_width));
      region.shape((tile_rows - 1) * s.stride_y + s.size_y, (out_width - 1) * s.stride_y + s.size_x);
      positions = rounded_up(tile_images * tile_rows * out_width, kTile);
      if (shared_bytes() <= kMaxShared) break;
    }
    if (tile_rows < 1) return;
    by_columns = gpu::Divider(out_width);
    by_image = gpu::Divider(tile_rows * out_width);
    tiles_down = (out_height + tile_rows - 1) / tile_rows;
    tiles = tiles_down * ((s.batch + tile_images - 1) / tile_images);
    constexpr int kBlocksOfProcessor = 2;
    shares = std::max(1, std::min(tiles, kBlocksOfProcessor * processors / jobs));
  }
  DNG_HOST_DEVICE int taps() const { return s.size_y * s.size_x; }
  DNG_HOST_DEVICE int region_numbers() const { return tile_images * region.pixels() * (kTile + kApart); }
  DNG_HOST_DEVICE int job_numbers() const { return taps() * kTile * kTile; }
  size_t shared_bytes() const {
    const int loaded = region_numbers() + positions * (kTile + kApart), sums = kWarps / 2 * job_numbers();
    return std::max(static_cast<size_t>(loaded) * sizeof(gpu::BFloat16), static_cast<size_t>(sums) * sizeof(float)) +
           kMaxPositions * sizeof(int);
  }
  size_t partial_bytes() const {
    return static_cast<size_t>(shares) * static_cast<size_t>(jobs * job_numbers()) * sizeof(float);
  }
};

template <int kTaps>
struct WeightsBody {
  WeightsPlan p;
  const gpu::BFloat16 *x, *dy;
  float* partial;  // [shares][jobs][taps][outputs of a tile][inputs of a tile]

  static constexpr int kStride = kTile + kApart;
  struct Sums {
    TileC taps[kTaps];
  };

  DNG_DEVICE void operator()(const Block& block, char* shared) const {
    auto* pixels = reinterpret_cast<int*>(shared);
    char* rest = shared + kMaxPositions * sizeof(int);
    auto* region = reinterpret_cast<gpu::BFloat16*>(rest);
    gpu::BFloat16* delta = region + p.region_numbers();
    const int output = block.x() / p.input_tiles * kTile, input = block.x() % p.input_tiles * kTile;
    const int in_tile = p.tile_rows * p.s.out.width;  // positions of an image
    PerWarp<Sums> sums;
    block.each_warp([&](int warp) {
      for (TileC& sum : sums[warp].taps) clear(&sum);
    });
    block.each_thread([&](int position) {
      const int image = p.by_image.quotient(position), inside = position - image * in_tile;
      const int row = p.by_columns.quotient(inside), column = inside - row * p.s.out.width;
      const int pixel = image * p.region.pixels() + (row * p.region.columns + column) * p.s.stride_y;
      pixels[position] = image < p.tile_images ? pixel * kStride : 0;
    });
    for (int tile = block.y(); tile < p.tiles; tile += block.count_y()) {
      const int image = tile / p.tiles_down * p.tile_images, first = tile % p.tiles_down * p.tile_rows;
      const int images = p.s.batch - image < p.tile_images ? p.s.batch - image : p.tile_images;
      block.barrier();
      p.region.template load<kTile>(block, x, image, images, p.tile_images, first * p.s.stride_y - p.s.padding,
                                    -p.s.padding, input, region);
      load_delta(block, image, images, first, output, delta);
      block.each_thread([](int) { finish_copies(); });
      block.barrier();
      block.each_warp([&](int warp) {
        for (int k = warp * kTile; k < p.positions; k += kWarps * kTile) {
          const Rows a_rows = transposed_rows_of_a(
              [&](int inner, int half) { return delta + (k + inner) * kStride + half * kPackOfTile; });
          const Rows b_rows = transposed_rows_of_b(
              [&](int inner, int half) { return region + pixels[k + inner] + half * kPackOfTile; });
          TileA a;
          load_a_transposed(&a, a_rows, 0);
          DNG_UNROLL for (int tap = 0; tap < kTaps; ++tap) {
            constexpr int kSize = kTaps == 1 ? 1 : kMaxSize;
            TileB b;
            load_b_transposed(&b, b_rows, (tap / kSize * p.region.columns + tap % kSize) * kStride);
            multiply_add(&sums[warp].taps[tap], a, b);
          }
        }
      });
    }
    block.barrier();
    // The warps' sums, one after the other: half of the warps store theirs, the others add to them.
    auto* left = reinterpret_cast<float*>(rest);
    constexpr int kNumbers = kTaps * kTile * kTile, kHalf = kWarps / 2;
    for (const bool adds : {false, true}) {
      block.each_warp([&](int warp) {
        if ((warp < kHalf) != adds) return;
        DNG_UNROLL for (int tap = 0; tap < kTaps; ++tap) {
          float* to = left + warp % kHalf * kNumbers + tap * kTile * kTile;
          for_pairs(&sums[warp].taps[tap], [&](int row, int column, float one, float two) {
            float* pair = to + row * kTile + column;
            pair[0] = adds ? pair[0] + one : one;
            pair[1] = adds ? pair[1] + two : two;
          });
        }
      });
      block.barrier();
    }
    float* mine = partial + static_cast<size_t>(block.y() * p.jobs + block.x()) * kNumbers;
    block.each_thread([&](int thread) {
      for (int i = thread; i < kNumbers; i += kThreads) {
        float sum = 0;
        for (int warp = 0; warp < kHalf; ++warp) sum += left[warp * kNumbers + i];
        mine[i] = sum;
      }
    });
  }

 private:
  // Positions beyond the image, or beyond the last image, are zero and add nothing.
  DNG_DEVICE void load_delta(const Block& block, int image, int images, int first, int output,
                             gpu::BFloat16* to) const {
    constexpr int kPacks = kTile / kPackOfTile;
    const int items = p.positions * kPacks, in_tile = p.tile_rows * p.s.out.width;
    const int exists = (p.s.out.height - first < p.tile_rows ? p.s.out.height - first : p.tile_rows) * p.s.out.width;
    const gpu::BFloat16* from =
        dy + (static_cast<size_t>(image) * static_cast<size_t>(p.s.out.height) + static_cast<size_t>(first)) *
                 static_cast<size_t>(p.s.out.width) * static_cast<size_t>(p.s.out.channels);
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int position = i / kPacks, channel = i % kPacks * kPackOfTile;
        const int number = p.by_image.quotient(position), inside = position - number * in_tile;
        const bool read = number < images && inside < exists;
        copy_channels(from + (read ? (number * p.s.out.height * p.s.out.width + inside) * p.s.out.channels : 0),
                      output + channel, p.s.out.channels, read, to + position * kStride + channel);
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

  // Of one share, in the order of `partial`: so reads are contiguous.
  DNG_HOST_DEVICE int numbers() const { return p.jobs * p.job_numbers(); }

  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    const auto all = static_cast<size_t>(numbers());
    block.each_thread([&](int thread) {
      const int number = block.x() * kBeside + thread % kBeside, depth = thread / kBeside;
      float sum = 0;
      if (number < numbers()) {
        constexpr int kAhead = 8;  // reads that are under way at once
        for (int share = depth; share < p.shares; share += kAhead * kDeep) {
          float ahead[kAhead];
          for (int i = 0; i < kAhead; ++i) {
            const int mine = share + i * kDeep;
            ahead[i] = partial[static_cast<size_t>(mine < p.shares ? mine : share) * all + static_cast<size_t>(number)];
          }
          for (int i = 0; i < kAhead; ++i) sum += share + i * kDeep < p.shares ? ahead[i] : 0.0f;
        }
      }
      shared.sums[depth][thread % kBeside] = sum;
    });
    block.barrier();
    block.each_thread([&](int thread) {
      const int number = block.x() * kBeside + thread;
      if (thread >= kBeside || number >= numbers()) return;
      const int job = number / p.job_numbers(), in_job = number % p.job_numbers();
      const int tap = in_job / (kTile * kTile);
      const int output = job / p.input_tiles * kTile + in_job / kTile % kTile;
      const int input = job % p.input_tiles * kTile + in_job % kTile;
      if (output >= p.s.out.channels || input >= p.s.in.channels) return;
      const int weight = (output * p.taps() + tap) * p.s.in.channels + input;
      float sum = add ? gpu::to_float(to[weight]) : 0.0f;
      for (int depth = 0; depth < kDeep; ++depth) sum += shared.sums[depth][thread];
      to[weight] = gpu::from_float<gpu::BFloat16>(sum);
    });
  }
};

}  // namespace dng::DNG_GPU
