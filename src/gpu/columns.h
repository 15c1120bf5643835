// Two sums for every channel of a tensor [rows][channels], always added in the same order: the same input gives the
// same bits.
//
// A block of threads takes some channels and a share of the rows. Each thread adds up its rows in float, the block adds
// its threads in a tree, and the block that is done last adds the blocks in double and finishes each channel.
#pragma once

#include <algorithm>

#include "gpu/launch.h"

namespace dng::DNG_GPU {

// Numbers that blocks leave for the last of them: 2 for each channel and each share of the rows.
constexpr size_t kMostPartial = size_t{1} << 17;

// What another block has written: past the caches of this processor.
DNG_DEVICE inline float fresh(const float* at) {
#if defined(__CUDA_ARCH__)
  return __ldcg(at);
#else
  return *at;
#endif
}

// Body:
//   struct Column;                                        constants of V channels
//   Column column(int channel);
//   void add(uint32_t row, int channel, const Column&, float* a, float* b);   adds to a[V] and b[V]
//   void finish(int channel, double a, double b);         once for each channel, after all rows
template <int V, class Body>
struct ColumnSums {
  Body body;
  uint32_t rows;
  int channels;
  int columns;  // threads side by side, each with V channels; a power of 2, 32 at most
  float* partial;
  unsigned* counters;

  struct Shared {
    float sums[2 * V][kThreads];
    double totals[2][kThreads];
    int flag;
  };

  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int height = kThreads / columns, width = columns * V, first = block.x() * width;
    block.each_thread([&](int thread) {
      float a[V] = {}, b[V] = {};
      const int channel = first + thread % columns * V;
      if (channel < channels) {
        const typename Body::Column column = body.column(channel);
        const auto step = static_cast<uint32_t>(block.count_y() * height);
        for (auto row = static_cast<uint32_t>(block.y() * height + thread / columns); row < rows; row += step) {
          body.add(row, channel, column, a, b);
        }
      }
      for (int v = 0; v < V; ++v) {
        shared.sums[v][thread] = a[v];
        shared.sums[V + v][thread] = b[v];
      }
    });
    for (int distance = height / 2; distance > 0; distance /= 2) {
      block.barrier();
      block.each_thread([&](int thread) {
        if (thread / columns >= distance) return;
        for (int v = 0; v < 2 * V; ++v) shared.sums[v][thread] += shared.sums[v][thread + distance * columns];
      });
    }
    block.barrier();
    block.each_thread([&](int thread) {
      const int channel = first + thread * V;
      if (thread >= columns || channel >= channels) return;
      for (int v = 0; v < V; ++v) {
        float* to = partial + 2 * (static_cast<size_t>(block.y()) * static_cast<size_t>(channels) +
                                   static_cast<size_t>(channel + v));
        to[0] = shared.sums[v][thread];
        to[1] = shared.sums[V + v][thread];
      }
    });
    if (!block.is_last(counters, &shared.flag)) return;
    const int sharers = kThreads / width;
    block.each_thread([&](int thread) {
      const int channel = first + thread % width;
      double a = 0, b = 0;
      if (channel < channels) {
        for (int share = thread / width; share < block.count_y(); share += sharers) {
          const float* from =
              partial + 2 * (static_cast<size_t>(share) * static_cast<size_t>(channels) + static_cast<size_t>(channel));
          a += static_cast<double>(fresh(from));
          b += static_cast<double>(fresh(from + 1));
        }
      }
      shared.totals[0][thread] = a;
      shared.totals[1][thread] = b;
    });
    for (int distance = sharers / 2; distance > 0; distance /= 2) {
      block.barrier();
      block.each_thread([&](int thread) {
        if (thread / width >= distance) return;
        shared.totals[0][thread] += shared.totals[0][thread + distance * width];
        shared.totals[1][thread] += shared.totals[1][thread + distance * width];
      });
    }
    block.barrier();
    block.each_thread([&](int thread) {
      if (thread < width && first + thread < channels) {
        body.finish(first + thread, shared.totals[0][thread], shared.totals[1][thread]);
      }
    });
  }
};

// `partial` has room for kMostPartial numbers, or two for each channel where that is more; `counters` one for each
// channel, all zero.
template <int V, class Body>
void sum_columns(gpu::Gpu& gpu, size_t rows, int channels, float* partial, unsigned* counters, const Body& body) {
  gpu::require_countable(rows);
  constexpr int kMostColumns = 32;
  // Rows that a thread takes at least.
  constexpr size_t kRows = 8;
  int columns = 1;
  while (columns < kMostColumns && columns * V < channels) columns *= 2;
  const int across = (channels + columns * V - 1) / (columns * V);
  const auto height = static_cast<size_t>(kThreads / columns);
  const size_t useful = std::max<size_t>(1, rows / (height * kRows));
  const size_t filling = std::max<size_t>(1, 2 * static_cast<size_t>(gpu.processors()) / static_cast<size_t>(across));
  const size_t fitting = std::max<size_t>(1, kMostPartial / (2 * static_cast<size_t>(channels)));
  const auto shares = static_cast<int>(std::min({useful, filling, fitting, size_t{512}}));
  blocks(gpu, across, shares,
         ColumnSums<V, Body>{body, static_cast<uint32_t>(rows), channels, columns, partial, counters});
}

}  // namespace dng::DNG_GPU
