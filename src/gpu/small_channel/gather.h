// A small-channel convolution forward and backward-data, perhaps with the sums of batch norm of what is written.
#pragma once

#include <type_traits>

#include "gpu/batch_statistics.h"
#include "gpu/columns.h"
#include "gpu/elementwise.h"
#include "gpu/small_channel/positions.h"

namespace dng::DNG_GPU {

// Gradients read outputs and write inputs. Statistics are the sums of batch norm of what is written.
enum class Direction { kForward, kForwardWithStatistics, kGradient, kGradientWithStatistics };

// The sums of batch norm, forward; `channel` is the first of a tile.
class ForwardSums {
 public:
  using Statistics = gpu::BatchStatistics;
  DNG_DEVICE void start(const Statistics& m, int channel, int channels) {
    pivot_.start([&](int column) { return channel + column < channels ? m.rolling_mean[channel + column] : 0.0f; });
  }
  // `value` was stored for `column` + `which`, at `place` in the tensor.
  DNG_DEVICE void add(const Statistics&, size_t, int column, int which, float value) {
    const float distance = value - pivot_.get(column, which);
    totals_.add(column, which, distance, distance * distance);
  }
  template <class Function>
  DNG_DEVICE void total(const Function& function) {
    totals_.total(function);
  }
  DNG_DEVICE static void finish(const Statistics& m, int channel, double a, double b) {
    m.finish(channel, static_cast<double>(m.rolling_mean[channel]), a, b);
  }

 private:
  ColumnValues pivot_;
  ColumnTotals totals_;
};

// The same of the gradient.
class GradientSums {
 public:
  using Statistics = gpu::GradientStatistics;
  DNG_DEVICE void start(const Statistics& m, int channel, int channels) {
    const auto read = [&](const float* from) {
      return [=](int column) { return channel + column < channels ? from[channel + column] : 0.0f; };
    };
    mean_.start(read(m.mean));
    factor_.start(read(m.factor));
    bias_.start(read(m.bias));
  }
  DNG_DEVICE void add(const Statistics& m, size_t place, int column, int which, float value) {
    const float centred = gpu::to_float(static_cast<const gpu::BFloat16*>(m.x)[place]) - mean_.get(column, which);
    if (m.activation != math::Activation::kLinear) {
      const float argument = centred * factor_.get(column, which) + bias_.get(column, which);
      slope_at_all<1>(&argument, m.activation, &value);
    }
    totals_.add(column, which, value, value * centred);
  }
  template <class Function>
  DNG_DEVICE void total(const Function& function) {
    totals_.total(function);
  }
  DNG_DEVICE static void finish(const Statistics& m, int channel, double a, double b) { m.finish(channel, a, b); }

 private:
  ColumnValues mean_, factor_, bias_;
  ColumnTotals totals_;
};

// kInner: tiles of the channels read. A block writes kSide * kBeside tiles of channels, kSide of them by each warp.
template <int kInner, int kSide, int kBeside, Direction kDirection>
struct GatherBody {
  Gather g;
  const gpu::BFloat16 *in, *weights;
  gpu::BFloat16* out;
  // y = f(sum + bias + addend), each null where it is not added.
  const gpu::BFloat16 *bias, *addend;
  math::Activation activation;  // forward

  static constexpr bool kTransposed =
      kDirection == Direction::kGradient || kDirection == Direction::kGradientWithStatistics;
  static constexpr bool kComputesStatistics =
      kDirection == Direction::kForwardWithStatistics || kDirection == Direction::kGradientWithStatistics;
  using Sums = std::conditional_t<kTransposed, GradientSums, ForwardSums>;
  typename Sums::Statistics statistics;

  static constexpr int kRead = kInner * kTile, kWritten = kSide * kBeside * kTile;
  static constexpr int kStride = kRead + kApart;
  static constexpr int kOutputs = kTransposed ? kRead : kWritten, kInputs = kTransposed ? kWritten : kRead;
  static constexpr int kWeightStride = kInputs + kApart;

  // What statistics need of shared memory.
  struct alignas(16) SharedSums {
    double totals[2][kThreads];
    float sums[kWarps][2][kSide * kTile];
    int flag;
  };
  static_assert(sizeof(SharedSums) <= Gather::kForStatistics);
  static size_t shared_bytes(const Gather& g) {
    return g.shared_bytes(kTransposed) + (kComputesStatistics ? sizeof(SharedSums) : 0);
  }

  DNG_DEVICE void operator()(const Block& block, char* shared) const {
    const int side = block.x() % g.sides, rest = block.x() / g.sides;
    const PositionClass& c = g.list[rest % g.classes];
    const int first = rest / g.classes * g.tile_rows;
    // With statistics, blocks without positions count, too.
    if (first >= c.rows && !kComputesStatistics) return;
    const int left = c.rows > first ? c.rows - first : 0, rows = left < g.tile_rows ? left : g.tile_rows;
    const int count = rows * c.columns;
    auto* read_at = reinterpret_cast<int*>(shared);
    int* written_at = read_at + kMaxPositions;
    auto* shared_sums = reinterpret_cast<SharedSums*>(written_at + kMaxPositions);
    auto* filter = reinterpret_cast<gpu::BFloat16*>(reinterpret_cast<char*>(shared_sums) +
                                                    (kComputesStatistics ? sizeof(SharedSums) : 0));
    gpu::BFloat16* region = filter + c.taps * kOutputs * kWeightStride;

    block.each_thread([&](int position) {
      const int row = c.by_columns.quotient(position), column = position - row * c.columns;
      const bool exists = position < count;
      read_at[position] = exists ? (row * c.region.columns + column) * g.in_step * kStride : 0;
      const int y = c.first_row + g.out_step * (first + row), x = c.first_column + g.out_step * column;
      written_at[position] = exists ? (y * g.out_width + x) * g.out_channels : -1;
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
      if constexpr (kComputesStatistics) {
        DNG_UNROLL for (int j = 0; j < kSide; ++j) {
          moments[j].start(statistics, side * kWritten + channel + j * kTile, g.out_channels);
        }
      }
      for (int tile = warp / kBeside; tile * kTile < count; tile += kWarps / kBeside) {
        const Rows a_rows =
            rows_of_a([&](int row, int half) { return region + read_at[tile * kTile + row] + half * kPackOfTile; });
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
        if (c.taps == kMaxTaps) {
          DNG_UNROLL for (int t = 0; t < kMaxTaps; ++t) under_tap(t);
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
            if constexpr (kComputesStatistics) {
              // What was stored counts, not what it was rounded from.
              const size_t place = image + static_cast<size_t>(at + tile_channel + column);
              if (tile_channel + column < g.out_channels) {
                moments[j].add(statistics, place, column, 0, gpu::to_float(gpu::from_float<gpu::BFloat16>(one)));
              }
              if (tile_channel + column + 1 < g.out_channels) {
                moments[j].add(statistics, place + 1, column, 1, gpu::to_float(gpu::from_float<gpu::BFloat16>(two)));
              }
            }
          });
        }
      }
      if constexpr (kComputesStatistics) {
        DNG_UNROLL for (int j = 0; j < kSide; ++j) {
          moments[j].total([&](int column, float sum, float other) {
            shared_sums->sums[warp][0][j * kTile + column] = sum;
            shared_sums->sums[warp][1][j * kTile + column] = other;
          });
        }
      }
    });
    if constexpr (kComputesStatistics) finish_statistics(block, side, rest, shared_sums);
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
        const bool exists = output < g.outputs;
        copy_channels(weights + (exists ? (output * g.all_taps + c.list[tap].weight) * g.inputs : 0),
                      first_input + channel, g.inputs, exists, to + row * kWeightStride + channel);
      }
    });
  }

  // All blocks of a side share its channels.
  DNG_DEVICE void finish_statistics(const Block& block, int side, int tile, SharedSums* shared_sums) const {
    const int tiles = g.tiles_down() * g.classes, share = block.y() * tiles + tile, shares = block.count_y() * tiles;
    block.barrier();
    block.each_thread([&](int thread) {
      const int which = thread / kWritten, mine = thread % kWritten, channel = side * kWritten + mine;
      if (which > 1 || channel >= g.out_channels) return;
      float total = 0;
      for (int warp = mine / (kSide * kTile); warp < kWarps; warp += kBeside) {
        total += shared_sums->sums[warp][which][mine % (kSide * kTile)];
      }
      statistics.sums.partial[2 * (static_cast<size_t>(share) * static_cast<size_t>(g.out_channels) +
                                   static_cast<size_t>(channel)) +
                              static_cast<size_t>(which)] = total;
    });
    if (!block.is_last_of(statistics.sums.counters + side, static_cast<unsigned>(shares), &shared_sums->flag)) return;
    finish_sums(block, statistics.sums.partial, shares, g.out_channels, side * kWritten, kWritten, shared_sums->totals,
                [&](int channel, double a, double b) { Sums::finish(statistics, channel, a, b); });
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
    if constexpr (kDirection == Direction::kForward) activate_all<V>(values, activation);
    gpu::store<gpu::BFloat16, V>(values, out + at);
  }
};

}  // namespace dng::DNG_GPU
