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

#include "gpu/columns.h"
#include "gpu/divider.h"
#include "gpu/elementwise.h"
#include "gpu/measurement.h"
#include "gpu/shared_workspace.h"
#include "gpu/tile.h"

namespace dng::DNG_GPU {

using Eight = gpu::Pack<gpu::BFloat16, kPackOfTile>;

constexpr int kMostChannels = 64, kMostSize = 3, kMostTaps = kMostSize * kMostSize, kMostStride = 2;
// Positions of a block at most: a thread prepares each.
constexpr int kMostPositions = kThreads;
// Rows of shared memory are longer by this: the eight that are read at once then lie in different banks.
constexpr int kApart = 8;

DNG_HOST_DEVICE constexpr int rounded_up(int number, int multiple) {
  return (number + multiple - 1) / multiple * multiple;
}
// 16, 32 or 64
inline int padded_channels(int channels) { return channels <= 16 ? 16 : channels <= 32 ? 32 : 64; }

// Eight channels of a pixel into shared memory, zero beyond the last channel and where the pixel is not there (`pixel` is
// some valid address then); `channel` is a multiple of eight. Done after finish_copies().
DNG_DEVICE inline void copy_channels(const gpu::BFloat16* pixel, int channel, int channels, bool there,
                                     gpu::BFloat16* to) {
  if (channels % kPackOfTile == 0) {
    there = there && channel < channels;
    return begin_copy(to, there ? pixel + channel : pixel, there);
  }
  Eight eight{};
  for (int i = 0; there && i < kPackOfTile && channel + i < channels; ++i) eight.values[i] = pixel[channel + i];
  *reinterpret_cast<Eight*>(to) = eight;
}

// A rectangle of images of [batch][height][width][channels], for shared memory: [images][rows][columns] pixels of some
// channels, zero outside of an image, beyond the last image and beyond the last channel.
struct Rectangles {
  int height, width, channels;  // of an image
  int rows = 0, columns = 0;
  gpu::Divider by_row, by_rectangle;  // columns; rows * columns

  void shape(int wanted_rows, int wanted_columns) {
    rows = wanted_rows;
    columns = wanted_columns;
    by_row = gpu::Divider(columns);
    by_rectangle = gpu::Divider(rows * columns);
  }
  DNG_HOST_DEVICE int pixels() const { return rows * columns; }
  // `room` images from `image` on, of which `images` are there; channels from `first` on, kPadded of them, into pixels
  // that are kPadded + kApart apart.
  template <int kPadded>
  DNG_DEVICE void load(const Block& block, const gpu::BFloat16* all, int image, int images, int room, int top, int left,
                       int first, gpu::BFloat16* to) const {
    constexpr int kPacks = kPadded / kPackOfTile;
    const int items = room * pixels() * kPacks;
    const gpu::BFloat16* from = all + static_cast<size_t>(image) * static_cast<size_t>(height * width) *
                                          static_cast<size_t>(channels);
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int pixel = i / kPacks, channel = i % kPacks * kPackOfTile;
        const int number = by_rectangle.quotient(pixel), inside = pixel - number * pixels();
        const int row = by_row.quotient(inside);
        const int y = top + row, x = left + inside - row * columns;
        const bool there = number < images && y >= 0 && y < height && x >= 0 && x < width;
        copy_channels(from + (there ? ((number * height + y) * width + x) * channels : 0), first + channel, channels,
                      there, to + pixel * (kPadded + kApart) + channel);
      }
    });
  }
};

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
  Tap list[kMostTaps] = {};
  int down = 0, across = 0;              // the least of the taps
  int down_range = 0, across_range = 0;  // the largest less the least
  gpu::Divider by_columns;
  Rectangles region;  // for a whole block

  void add(const Tap& tap) { list[taps++] = tap; }
};

struct Gather {
  static constexpr size_t kForMeasurement = size_t{7} << 10;  // bytes of shared memory that are left for one
  int out_height, out_width, out_channels;
  int outputs, all_taps, inputs;  // of the weights: [outputs][all_taps][inputs]
  int in_step = 1, out_step = 1;
  int classes = 1;
  int tile_rows = 1;  // rows of positions for a block
  int sides = 1;      // blocks that share the channels written
  int read_padded = 16, written_padded = 16;  // the channels read; those that a block writes
  PositionClass list[kMostStride * kMostStride] = {};

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
    return static_cast<size_t>(most) * sizeof(gpu::BFloat16) + 2 * kMostPositions * sizeof(int);
  }

  // After the classes' taps are there. tile_rows is 0 where not even one fits.
  void plan(const gpu::ConvolutionShape& s, int processors, const Geometry& in, bool transposed) {
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
    tile_rows = std::min(list[0].rows, kMostPositions / list[0].columns);
    const auto few_blocks = [&] { return s.batch * blocks_across() < 2 * processors; };
    while (tile_rows > 1 && few_blocks() && positions() > kFewPositions) tile_rows = (tile_rows + 1) / 2;
    while (tile_rows > 0 && shared_bytes(transposed) + kForMeasurement > kMostShared) --tile_rows;
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

// Reads x, writes y.
inline Gather forward_gather(const gpu::ConvolutionShape& s, int processors) {
  Gather g{};
  g.out_height = s.out.height;
  g.out_width = s.out.width;
  g.out_channels = g.outputs = s.out.channels;
  g.inputs = s.in.channels;
  g.all_taps = s.size_y * s.size_x;
  g.in_step = s.stride;
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
  Gather g{};
  g.out_height = s.in.height;
  g.out_width = s.in.width;
  g.out_channels = g.inputs = s.in.channels;
  g.outputs = s.out.channels;
  g.all_taps = s.size_y * s.size_x;
  g.out_step = s.stride;
  g.classes = s.stride * s.stride;
  for (int i = 0; i < g.classes; ++i) {
    PositionClass& c = g.list[i];
    c.first_row = i / s.stride;
    c.first_column = i % s.stride;
    c.rows = (s.in.height - c.first_row + s.stride - 1) / s.stride;
    c.columns = (s.in.width - c.first_column + s.stride - 1) / s.stride;
    for (int r = 0; r < s.size_y; ++r) {
      for (int q = 0; q < s.size_x; ++q) {
        const int down = c.first_row + s.padding - r, across = c.first_column + s.padding - q;
        // Divisible: also below zero is the remainder zero then, and only then.
        if (down % s.stride != 0 || across % s.stride != 0) continue;
        c.add({r * s.size_x + q, down / s.stride, across / s.stride, 0});
      }
    }
  }
  g.plan(s, processors, s.out, true);
  return g;
}

// kInner: tiles of the channels read. A block writes kSide * kBeside tiles of channels, kSide of them by each warp.
// Gradients read outputs and write inputs. Where measured, sums are made of what is written.
enum class Way { kForward, kForwardMeasured, kGradient, kGradientMeasured };

// The sums of batch norm, forward; `channel` is the first of a tile.
class ForwardSums {
 public:
  using Measurement = gpu::Measurement;
  DNG_DEVICE void start(const Measurement& m, int channel, int channels) {
    pivot_.start([&](int column) { return channel + column < channels ? m.rolling_mean[channel + column] : 0.0f; });
  }
  // `value` was stored for `column` + `which`, at `place` in the tensor.
  DNG_DEVICE void add(const Measurement&, size_t, int column, int which, float value) {
    const float distance = value - pivot_.get(column, which);
    totals_.add(column, which, distance, distance * distance);
  }
  template <class Function>
  DNG_DEVICE void total(const Function& function) {
    totals_.total(function);
  }
  DNG_DEVICE static void finish(const Measurement& m, int channel, double a, double b) {
    m.finish(channel, static_cast<double>(m.rolling_mean[channel]), a, b);
  }

 private:
  ColumnValues pivot_;
  ColumnTotals totals_;
};

// The same of the gradient.
class GradientSums {
 public:
  using Measurement = gpu::GradientMeasurement;
  DNG_DEVICE void start(const Measurement& m, int channel, int channels) {
    const auto read = [&](const float* from) {
      return [=](int column) { return channel + column < channels ? from[channel + column] : 0.0f; };
    };
    mean_.start(read(m.mean));
    factor_.start(read(m.factor));
    bias_.start(read(m.bias));
  }
  DNG_DEVICE void add(const Measurement& m, size_t place, int column, int which, float value) {
    const float centred = gpu::to_float(static_cast<const gpu::BFloat16*>(m.x)[place]) - mean_.get(column, which);
    if (m.activation != Activation::kLinear) {
      float output = centred * factor_.get(column, which) + bias_.get(column, which);
      activate_all<1>(&output, m.activation);
      slope_all<1>(&output, m.activation, &value);
    }
    totals_.add(column, which, value, value * centred);
  }
  template <class Function>
  DNG_DEVICE void total(const Function& function) {
    totals_.total(function);
  }
  DNG_DEVICE static void finish(const Measurement& m, int channel, double a, double b) { m.finish(channel, a, b); }

 private:
  ColumnValues mean_, factor_, bias_;
  ColumnTotals totals_;
};

template <int kInner, int kSide, int kBeside, Way kWay>
struct GatherBody {
  Gather g;
  const gpu::BFloat16 *in, *weights;
  gpu::BFloat16* out;
  // y = f(sum + bias + addend), each null where there is none.
  const gpu::BFloat16 *bias, *addend;
  bool relu;

  static constexpr bool kTransposed = kWay == Way::kGradient || kWay == Way::kGradientMeasured;
  static constexpr bool kMeasures = kWay == Way::kForwardMeasured || kWay == Way::kGradientMeasured;
  using Sums = std::conditional_t<kTransposed, GradientSums, ForwardSums>;
  typename Sums::Measurement measurement;

  static constexpr int kRead = kInner * kTile, kWritten = kSide * kBeside * kTile;
  static constexpr int kStride = kRead + kApart;
  static constexpr int kOutputs = kTransposed ? kRead : kWritten, kInputs = kTransposed ? kWritten : kRead;
  static constexpr int kWeightStride = kInputs + kApart;

  // What a measurement needs of shared memory.
  struct alignas(16) Measured {
    double totals[2][kThreads];
    float sums[kWarps][2][kSide * kTile];
    int flag;
  };
  static_assert(sizeof(Measured) <= Gather::kForMeasurement);
  static size_t shared_bytes(const Gather& g) {
    return g.shared_bytes(kTransposed) + (kMeasures ? sizeof(Measured) : 0);
  }

  DNG_DEVICE void operator()(const Block& block, char* shared) const {
    const int side = block.x() % g.sides, rest = block.x() / g.sides;
    const PositionClass& c = g.list[rest % g.classes];
    const int first = rest / g.classes * g.tile_rows;
    // Where it is measured, blocks without positions count, too.
    if (first >= c.rows && !kMeasures) return;
    const int left = c.rows > first ? c.rows - first : 0, rows = left < g.tile_rows ? left : g.tile_rows;
    const int count = rows * c.columns;
    auto* read_at = reinterpret_cast<int*>(shared);
    int* written_at = read_at + kMostPositions;
    auto* measured = reinterpret_cast<Measured*>(written_at + kMostPositions);
    auto* filter = reinterpret_cast<gpu::BFloat16*>(reinterpret_cast<char*>(measured) +
                                                    (kMeasures ? sizeof(Measured) : 0));
    gpu::BFloat16* region = filter + c.taps * kOutputs * kWeightStride;

    block.each_thread([&](int position) {
      const int row = c.by_columns.quotient(position), column = position - row * c.columns;
      const bool there = position < count;
      read_at[position] = there ? (row * c.region.columns + column) * g.in_step * kStride : 0;
      const int y = c.first_row + g.out_step * (first + row), x = c.first_column + g.out_step * column;
      written_at[position] = there ? (y * g.out_width + x) * g.out_channels : -1;
    });
    load_weights(block, c, side, filter);
    c.region.template load<kRead>(block, in, block.y(), 1, 1, first * g.in_step + c.down, c.across, 0, region);
    block.each_thread([](int) { finish_copies(); });
    block.barrier();

    block.each_warp([&](int warp) {
      const int channel = warp % kBeside * (kSide * kTile);
      Rows b_rows[kSide];
      DNG_UNROLL for (int j = 0; j < kSide; ++j) {
        const int from = channel + j * kTile;
        if (kTransposed) {
          b_rows[j] = transposed_rows_of_b(
              [&](int inner, int half) { return filter + inner * kWeightStride + from + half * kPackOfTile; });
        } else {
          b_rows[j] = rows_of_b(
              [&](int column, int half) { return filter + (from + column) * kWeightStride + half * kPackOfTile; });
        }
      }
      Sums moments[kSide];
      if constexpr (kMeasures) {
        DNG_UNROLL for (int j = 0; j < kSide; ++j) {
          moments[j].start(measurement, side * kWritten + channel + j * kTile, g.out_channels);
        }
      }
      for (int tile = warp / kBeside; tile * kTile < count; tile += kWarps / kBeside) {
        const Rows a_rows = rows_of_a([&](int row, int half) {
          return region + read_at[tile * kTile + row] + half * kPackOfTile;
        });
        TileC sums[kSide];
        DNG_UNROLL for (TileC& sum : sums) clear(&sum);
        const auto under_tap = [&](int t) {
          const int tap = c.list[t].offset, weight = t * kOutputs * kWeightStride;
          DNG_UNROLL for (int k = 0; k < kInner; ++k) {
            TileA a;
            load_a(&a, a_rows, tap + k * kTile);
            DNG_UNROLL for (int j = 0; j < kSide; ++j) {
              TileB b;
              if (kTransposed) {
                load_b_transposed(&b, b_rows[j], weight + k * kTile * kWeightStride);
              } else {
                load_b(&b, b_rows[j], weight + k * kTile);
              }
              multiply_add(&sums[j], a, b);
            }
          }
        };
        if (c.taps == kMostTaps) {
          DNG_UNROLL for (int t = 0; t < kMostTaps; ++t) under_tap(t);
        } else {
          for (int t = 0; t < c.taps; ++t) under_tap(t);
        }
        const size_t image = static_cast<size_t>(block.y()) * static_cast<size_t>(g.out_height * g.out_width) *
                             static_cast<size_t>(g.out_channels);
        DNG_UNROLL for (int j = 0; j < kSide; ++j) {
          const int tile_channel = side * kWritten + channel + j * kTile;
          for_pairs(&sums[j], [&](int row, int column, float one, float two) {
            const int at = written_at[tile * kTile + row];
            if (at < 0) return;
            store_pair(image + static_cast<size_t>(at), tile_channel + column, one, two);
            if constexpr (kMeasures) {
              // What was stored counts, not what it was rounded from.
              const size_t place = image + static_cast<size_t>(at + tile_channel + column);
              if (tile_channel + column < g.out_channels) {
                moments[j].add(measurement, place, column, 0, gpu::to_float(gpu::from_float<gpu::BFloat16>(one)));
              }
              if (tile_channel + column + 1 < g.out_channels) {
                moments[j].add(measurement, place + 1, column, 1, gpu::to_float(gpu::from_float<gpu::BFloat16>(two)));
              }
            }
          });
        }
      }
      if constexpr (kMeasures) {
        DNG_UNROLL for (int j = 0; j < kSide; ++j) {
          moments[j].total([&](int column, float sum, float other) {
            measured->sums[warp][0][j * kTile + column] = sum;
            measured->sums[warp][1][j * kTile + column] = other;
          });
        }
      }
    });
    if constexpr (kMeasures) finish_measurement(block, side, rest, measured);
  }

 private:
  DNG_DEVICE void load_weights(const Block& block, const PositionClass& c, int side, gpu::BFloat16* to) const {
    constexpr int kPacks = kInputs / kPackOfTile;
    const int items = c.taps * kOutputs * kPacks;
    const int first_output = kTransposed ? 0 : side * kWritten, first_input = kTransposed ? side * kWritten : 0;
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int channel = i % kPacks * kPackOfTile, row = i / kPacks;
        const int tap = row / kOutputs, output = first_output + row % kOutputs;
        const bool there = output < g.outputs;
        copy_channels(weights + (there ? (output * g.all_taps + c.list[tap].weight) * g.inputs : 0),
                      first_input + channel, g.inputs, there, to + row * kWeightStride + channel);
      }
    });
  }

  // All blocks of a side share its channels.
  DNG_DEVICE void finish_measurement(const Block& block, int side, int tile, Measured* measured) const {
    const int tiles = g.tiles_down() * g.classes, share = block.y() * tiles + tile, shares = block.count_y() * tiles;
    block.barrier();
    block.each_thread([&](int thread) {
      const int which = thread / kWritten, mine = thread % kWritten, channel = side * kWritten + mine;
      if (which > 1 || channel >= g.out_channels) return;
      float total = 0;
      for (int warp = mine / (kSide * kTile); warp < kWarps; warp += kBeside) {
        total += measured->sums[warp][which][mine % (kSide * kTile)];
      }
      measurement.partial[2 * (static_cast<size_t>(share) * static_cast<size_t>(g.out_channels) +
                               static_cast<size_t>(channel)) +
                          static_cast<size_t>(which)] = total;
    });
    if (!block.is_last_of(measurement.counters + side, static_cast<unsigned>(shares), &measured->flag)) return;
    finish_sums(block, measurement.partial, shares, g.out_channels, side * kWritten, kWritten, measured->totals,
                [&](int channel, double a, double b) { Sums::finish(measurement, channel, a, b); });
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
    if (addend != nullptr) {
      gpu::load<gpu::BFloat16, V>(addend + at, other);
      for (int v = 0; v < V; ++v) values[v] += other[v];
    }
    for (int v = 0; v < V; ++v) values[v] = relu && values[v] < 0 ? 0.0f : values[v];
    gpu::store<gpu::BFloat16, V>(values, out + at);
  }
};

// How the gradient of the weights is shared out. A job is a tile of outputs by inputs, for all taps. Every block has one
// and sums over its share of the images; its warps take turns with the positions.
struct WeightsPlan {
  int batch, inputs, out_height, out_width, outputs;
  int size, stride, padding;
  int input_tiles, jobs;
  int tile_rows = 1, tile_images = 1;  // that lie in shared memory at once
  int tiles_down = 1, tiles = 1;
  int positions = kTile;  // of a tile, a multiple of kTile
  int shares = 1;         // blocks for each job
  Rectangles region;
  gpu::Divider by_columns, by_image;  // of positions

  explicit WeightsPlan(const gpu::ConvolutionShape& s, int processors)
      : batch(s.batch),
        inputs(s.in.channels),
        out_height(s.out.height),
        out_width(s.out.width),
        outputs(s.out.channels),
        size(s.size_y),
        stride(s.stride),
        padding(s.padding),
        input_tiles(rounded_up(s.in.channels, kTile) / kTile),
        jobs(rounded_up(s.out.channels, kTile) / kTile * input_tiles),
        region() {
    region.height = s.in.height;
    region.width = s.in.width;
    region.channels = s.in.channels;
    for (tile_rows = std::min(out_height, kMostPositions / out_width); tile_rows > 0; --tile_rows) {
      tile_images = tile_rows < out_height ? 1 : std::min(batch, kMostPositions / (out_height * out_width));
      region.shape((tile_rows - 1) * stride + size, (out_width - 1) * stride + size);
      positions = rounded_up(tile_images * tile_rows * out_width, kTile);
      if (shared_bytes() <= kMostShared) break;
    }
    if (tile_rows < 1) return;
    by_columns = gpu::Divider(out_width);
    by_image = gpu::Divider(tile_rows * out_width);
    tiles_down = (out_height + tile_rows - 1) / tile_rows;
    tiles = tiles_down * ((batch + tile_images - 1) / tile_images);
    constexpr int kBlocksOfProcessor = 2;
    shares = std::max(1, std::min(tiles, kBlocksOfProcessor * processors / jobs));
  }
  DNG_HOST_DEVICE int taps() const { return size * size; }
  DNG_HOST_DEVICE int region_numbers() const { return tile_images * region.pixels() * (kTile + kApart); }
  DNG_HOST_DEVICE int job_numbers() const { return taps() * kTile * kTile; }
  size_t shared_bytes() const {
    const int loaded = region_numbers() + positions * (kTile + kApart), sums = kWarps / 2 * job_numbers();
    return std::max(static_cast<size_t>(loaded) * sizeof(gpu::BFloat16), static_cast<size_t>(sums) * sizeof(float)) +
           kMostPositions * sizeof(int);
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
    char* rest = shared + kMostPositions * sizeof(int);
    auto* region = reinterpret_cast<gpu::BFloat16*>(rest);
    gpu::BFloat16* delta = region + p.region_numbers();
    const int output = block.x() / p.input_tiles * kTile, input = block.x() % p.input_tiles * kTile;
    const int in_tile = p.tile_rows * p.out_width;  // positions of an image
    PerWarp<Sums> sums;
    block.each_warp([&](int warp) {
      for (TileC& sum : sums[warp].taps) clear(&sum);
    });
    block.each_thread([&](int position) {
      const int image = p.by_image.quotient(position), inside = position - image * in_tile;
      const int row = p.by_columns.quotient(inside), column = inside - row * p.out_width;
      const int pixel = image * p.region.pixels() + (row * p.region.columns + column) * p.stride;
      pixels[position] = image < p.tile_images ? pixel * kStride : 0;
    });
    for (int tile = block.y(); tile < p.tiles; tile += block.count_y()) {
      const int image = tile / p.tiles_down * p.tile_images, first = tile % p.tiles_down * p.tile_rows;
      const int images = p.batch - image < p.tile_images ? p.batch - image : p.tile_images;
      block.barrier();
      p.region.template load<kTile>(block, x, image, images, p.tile_images, first * p.stride - p.padding,
                                          -p.padding, input, region);
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
            constexpr int kSize = kTaps == 1 ? 1 : kMostSize;
            TileB b;
            load_b_transposed(&b, b_rows, (tap / kSize * p.region.columns + tap % kSize) * kStride);
            multiply_add(&sums[warp].taps[tap], a, b);
          }
        }
      });
    }
    block.barrier();
    // The warps' sums, one after the other: half of the warps leave theirs, the others add to them.
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
    const int items = p.positions * kPacks, in_tile = p.tile_rows * p.out_width;
    const int there = (p.out_height - first < p.tile_rows ? p.out_height - first : p.tile_rows) * p.out_width;
    const gpu::BFloat16* from =
        dy + (static_cast<size_t>(image) * static_cast<size_t>(p.out_height) + static_cast<size_t>(first)) *
                 static_cast<size_t>(p.out_width) * static_cast<size_t>(p.outputs);
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int position = i / kPacks, channel = i % kPacks * kPackOfTile;
        const int number = p.by_image.quotient(position), inside = position - number * in_tile;
        const bool read = number < images && inside < there;
        copy_channels(from + (read ? (number * p.out_height * p.out_width + inside) * p.outputs : 0), output + channel,
                      p.outputs, read, to + position * kStride + channel);
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

  // Of one share, in the order of `partial`: so reading is in one piece.
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
      if (output >= p.outputs || input >= p.inputs) return;
      const int weight = (output * p.taps() + tap) * p.inputs + input;
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
        std::max(shape.in.width, shape.out.width) > kMostPositions || shape.batch > kMostBlocksDown) {
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

  void forward(const void* x, const void* weights, void* y) override { forward_with(x, weights, y, Ending()); }
  bool forward_measured(const void* x, const void* weights, void* y, const gpu::Measurement& measurement) override {
    if (!has_room(forward_)) return false;
    gather<Way::kForwardMeasured>(forward_, x, weights, y, Ending(), &measurement);
    return true;
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend, bool relu,
                     void* y) override {
    Ending ending;
    ending.bias = static_cast<const gpu::BFloat16*>(bias);
    ending.addend = static_cast<const gpu::BFloat16*>(addend);
    ending.relu = relu;
    forward_with(x, weights, y, ending);
    return true;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    Ending ending;
    if (add) ending.addend = static_cast<const gpu::BFloat16*>(dx);
    gather<Way::kGradient>(backward_, dy, weights, dx, ending);
  }
  bool backward_data_measured(const void* weights, const void* dy, void* dx,
                              const gpu::GradientMeasurement& measurement) override {
    if (!has_room(backward_)) return false;
    gather<Way::kGradientMeasured>(backward_, dy, weights, dx, Ending(), &measurement);
    return true;
  }
  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    if (weights_.size == 1) {
      sum_weights<1>(x, dy, dweights, add);
    } else {
      sum_weights<kMostTaps>(x, dy, dweights, add);
    }
  }

 private:
  static constexpr int kMostBlocksDown = 65535;

  NarrowConvolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, gpu::SharedWorkspace* workspace)
      : gpu_(gpu),
        batch_(shape.batch),
        forward_(forward_gather(shape, gpu->processors())),
        backward_(backward_gather(shape, gpu->processors())),
        weights_(shape, gpu->processors()),
        workspace_(workspace) {}

  // What becomes of the sums.
  struct Ending {
    const gpu::BFloat16 *bias = nullptr, *addend = nullptr;
    bool relu = false;
  };
  // For what the blocks of a measurement leave.
  bool has_room(const Gather& g) const {
    const size_t shares = static_cast<size_t>(batch_) * static_cast<size_t>(g.tiles_down() * g.classes);
    return 2 * shares * static_cast<size_t>(g.out_channels) <= kMostPartial;
  }
  void forward_with(const void* x, const void* weights, void* y, const Ending& ending) const {
    gather<Way::kForward>(forward_, x, weights, y, ending);
  }

  struct Unmeasured {};
  template <Way kWay, class Measurement = Unmeasured>
  void gather(const Gather& g, const void* in, const void* weights, void* out, const Ending& ending,
              const Measurement* measurement = nullptr) const {
    const auto with_inner = [&](auto inner) {
      const auto launch = [&](auto side, auto beside) {
        using Body = GatherBody<decltype(inner)::value, decltype(side)::value, decltype(beside)::value, kWay>;
        Body body{};
        body.g = g;
        body.in = static_cast<const gpu::BFloat16*>(in);
        body.weights = static_cast<const gpu::BFloat16*>(weights);
        body.out = static_cast<gpu::BFloat16*>(out);
        body.bias = ending.bias;
        body.addend = ending.addend;
        body.relu = ending.relu;
        if constexpr (Body::kMeasures) body.measurement = *measurement;
        blocks_with(*gpu_, g.blocks_across(), batch_, Body::shared_bytes(g), body);
      };
      constexpr std::integral_constant<int, 1> kOne;
      constexpr std::integral_constant<int, 2> kTwo;
      if (g.written_padded == kTile) {
        launch(kOne, kOne);
      } else if (g.positions() >= kWarps * kTile) {
        launch(kTwo, kOne);
      } else {
        launch(kOne, kTwo);  // so that all warps have work
      }
    };
    switch (g.read_padded) {
      case 16:
        return with_inner(std::integral_constant<int, 1>());
      case 32:
        return with_inner(std::integral_constant<int, 2>());
      default:
        return with_inner(std::integral_constant<int, 4>());
    }
  }
  template <int kTaps>
  void sum_weights(const void* x, const void* dy, void* dweights, bool add) const {
    auto* partial = static_cast<float*>(workspace_->data());
    const WeightsBody<kTaps> body{weights_, static_cast<const gpu::BFloat16*>(x),
                                  static_cast<const gpu::BFloat16*>(dy), partial};
    blocks_with(*gpu_, weights_.jobs, weights_.shares, weights_.shared_bytes(), body);
    const WeightsSumBody sum{weights_, partial, static_cast<gpu::BFloat16*>(dweights), add};
    blocks(*gpu_, (sum.numbers() + WeightsSumBody::kBeside - 1) / WeightsSumBody::kBeside, 1, sum);
  }

  gpu::Gpu* gpu_;
  int batch_;
  Gather forward_, backward_;
  WeightsPlan weights_;
  gpu::SharedWorkspace* workspace_;
};

}  // namespace dng::DNG_GPU
