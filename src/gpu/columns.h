// Two sums for every channel of a tensor [rows][channels], always added in the same order: the same input gives the
// same bits.
//
// A block of threads takes some channels and a share of the rows. Each thread adds up its rows in float, the block adds
// its threads, and the block that is done last adds the blocks in double and finishes each channel.
#pragma once

#include <algorithm>

#include "gpu/launch.h"
#include "gpu/step_input.h"

namespace dng::DNG_GPU {

// Floats that blocks write for the last of them: 2 for each channel and each share of the rows.
constexpr size_t kMaxPartial = size_t{1} << 17;

// kAhead of a body that only reads.
constexpr uint32_t kRowsAhead = 4;

// What another block has written: past the caches of this processor.
DNG_DEVICE inline gpu::Pack<float, 2> fresh_pair(const float* at) {
#if defined(__CUDA_ARCH__)
  const float2 pair = __ldcg(reinterpret_cast<const float2*>(at));
  return {{pair.x, pair.y}};
#else
  return gpu::pack<2>(at);
#endif
}

// The last step of the sums, by the last block of those that share some channels; all have written
// partial[share][channels][2]. `threads` has two values for each thread of the block.
//   finish(channel, a, b)   once for each of the `width` channels from `first` on; width is a power of 2
template <class Finish>
DNG_DEVICE void finish_sums(const Block& block, const float* partial, int shares, int channels, int first, int width,
                            double (*threads)[kThreads], const Finish& finish) {
  const int sharers = kThreads / width;
  block.each_thread([&](int thread) {
    const int channel = first + thread % width;
    double a = 0, b = 0;
    if (channel < channels) {
      constexpr int kAhead = 16;  // reads that are under way at once
      for (int share = thread / width; share < shares; share += kAhead * sharers) {
        gpu::Pack<float, 2> pairs[kAhead];
        DNG_UNROLL for (int i = 0; i < kAhead; ++i) {
          const int mine = share + i * sharers;
          pairs[i] = fresh_pair(partial +
                                2 * (static_cast<size_t>(mine < shares ? mine : share) * static_cast<size_t>(channels) +
                                     static_cast<size_t>(channel)));
        }
        DNG_UNROLL for (int i = 0; i < kAhead; ++i) {
          const bool exists = share + i * sharers < shares;
          a += exists ? static_cast<double>(pairs[i].values[0]) : 0.0;
          b += exists ? static_cast<double>(pairs[i].values[1]) : 0.0;
        }
      }
    }
    threads[0][thread] = a;
    threads[1][thread] = b;
  });
  block.barrier();
  block.each_thread([&](int thread) {
    if (thread >= width || first + thread >= channels) return;
    double a = 0, b = 0;
    for (int sharer = 0; sharer < sharers; ++sharer) {
      a += threads[0][thread + sharer * width];
      b += threads[1][thread + sharer * width];
    }
    finish(first + thread, a, b);
  });
}

// Body:
//   kAhead                                                rows whose reading is under way at once
//   struct Column;                                        constants of V channels
//   Column column(int channel);
//   struct Row;                                           what is read of V channels of a row
//   Row read(uint32_t row, int channel);
//   void add(const Row&, uint32_t row, int channel, const Column&, float* a, float* b);   adds to a[V] and b[V]
//   void finish(int channel, double a, double b);         once for each channel, after all rows
template <int V, class Body>
struct ColumnSums {
  Body body;
  uint32_t rows;
  int channels;
  int columns;  // threads side by side, each with V channels; a power of 2
  gpu::SumsWorkspace workspace;

  struct Shared {
    float sums[2 * V][kThreads];
    float parts[kThreads];
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
        constexpr uint32_t kAhead = Body::kAhead;
        for (auto row = static_cast<uint32_t>(block.y() * height + thread / columns); row < rows;
             row += kAhead * step) {
#ifdef __CUDACC__
          typename Body::Row ahead[kAhead];
#else  // GCC 15 does not see that only what was read is added; on the GPU the zeros would cost instructions.
          typename Body::Row ahead[kAhead] = {};
#endif
          DNG_UNROLL for (uint32_t i = 0; i < kAhead; ++i) {
            if (row + i * step < rows) ahead[i] = body.read(row + i * step, channel);
          }
          DNG_UNROLL for (uint32_t i = 0; i < kAhead; ++i) {
            if (row + i * step < rows) body.add(ahead[i], row + i * step, channel, column, a, b);
          }
        }
      }
      for (int v = 0; v < V; ++v) {
        shared.sums[v][thread] = a[v];
        shared.sums[V + v][thread] = b[v];
      }
    });
    block.barrier();
    // The block's 2 V columns sums: some threads for each, then one.
    const int outputs = 2 * width, deep = kThreads / outputs, share = height / deep;
    block.each_thread([&](int thread) {
      const int output = thread % outputs, depth = thread / outputs;
      float sum = 0;
      for (int i = 0; i < share; ++i) {
        sum += shared.sums[output / columns][(depth * share + i) * columns + output % columns];
      }
      shared.parts[thread] = sum;
    });
    block.barrier();
    block.each_thread([&](int thread) {
      const int number = thread / columns, channel = first + thread % columns * V + number % V;
      if (thread >= outputs || channel >= channels) return;
      float sum = 0;
      for (int depth = 0; depth < deep; ++depth) sum += shared.parts[depth * outputs + thread];
      workspace
          .partial[2 * (static_cast<size_t>(block.y()) * static_cast<size_t>(channels) + static_cast<size_t>(channel)) +
                   static_cast<size_t>(number / V)] = sum;
    });
    if (!block.is_last(workspace.counters, &shared.flag)) return;
    finish_sums(block, workspace.partial, block.count_y(), channels, first, width, shared.totals,
                [&](int channel, double a, double b) { body.finish(channel, a, b); });
  }
};

// workspace.partial has room for kMaxPartial floats, or two for each channel where that is more.
template <int V, class Body>
void sum_columns(gpu::Gpu& gpu, size_t rows, int channels, const gpu::SumsWorkspace& workspace, const Body& body) {
  gpu::require_countable(rows);
  // Rows that a thread takes at least, and columns that are side by side at most: whole sectors of memory are enough.
  constexpr size_t kRows = 2;
  constexpr int kMaxColumns = V == 1 ? 32 : 4;
  int columns = 1;
  while (columns < kMaxColumns && columns * V < channels) columns *= 2;
  const int across = (channels + columns * V - 1) / (columns * V);
  const auto height = static_cast<size_t>(kThreads / columns);
  const size_t useful = std::max<size_t>(1, rows / (height * kRows));
  const size_t filling = std::max<size_t>(1, static_cast<size_t>(gpu.processors()) / static_cast<size_t>(across));
  const size_t fitting = std::max<size_t>(1, kMaxPartial / (2 * static_cast<size_t>(channels)));
  const auto shares = static_cast<int>(std::min({useful, filling, fitting, size_t{512}}));
  blocks(gpu, across, shares, ColumnSums<V, Body>{body, static_cast<uint32_t>(rows), channels, columns, workspace});
}

}  // namespace dng::DNG_GPU
