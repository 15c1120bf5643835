// A sum for every channel of every image of a tensor [batch][pixels][channels], always added in the same order. A block
// of threads takes some channels of an image.
#pragma once

#include "gpu/launch.h"

namespace dng::DNG_GPU {

// Body:
//   struct Column;                                       constants of V channels of an image
//   Column column(int image, int channel);
//   void add(size_t row, int channel, const Column&, float* sums);       adds to sums[V]; row: pixel of the batch
//   void finish(int image, int channel, float* sums);                   once for each V channels, after all rows
template <int V, class Body>
struct ImageSums {
  Body body;
  int pixels, channels;
  int columns;  // threads side by side, each with V channels; a power of 2

  struct Shared {
    float sums[V][kThreads];
  };

  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int image = block.y(), sharers = kThreads / columns, first = block.x() * columns * V;
    block.each_thread([&](int thread) {
      const int channel = first + thread % columns * V;
      float sums[V] = {};
      if (channel < channels) {
        const typename Body::Column column = body.column(image, channel);
        for (int pixel = thread / columns; pixel < pixels; pixel += sharers) {
          body.add(static_cast<size_t>(image) * static_cast<size_t>(pixels) + static_cast<size_t>(pixel), channel,
                   column, sums);
        }
      }
      for (int v = 0; v < V; ++v) shared.sums[v][thread] = sums[v];
    });
    block.barrier();
    block.each_thread([&](int thread) {
      const int channel = first + thread * V;
      if (thread >= columns || channel >= channels) return;
      float sums[V] = {};
      for (int sharer = 0; sharer < sharers; ++sharer) {
        for (int v = 0; v < V; ++v) sums[v] += shared.sums[v][sharer * columns + thread];
      }
      body.finish(image, channel, sums);
    });
  }
};

template <int V, class Body>
void sum_images(gpu::Gpu& gpu, int batch, int pixels, int channels, const Body& body) {
  // Whole sectors of memory are enough.
  constexpr int kMaxColumns = 8;
  int columns = 1;
  while (columns < kMaxColumns && columns * V < channels) columns *= 2;
  blocks(gpu, (channels + columns * V - 1) / (columns * V), batch, ImageSums<V, Body>{body, pixels, channels, columns});
}

}  // namespace dng::DNG_GPU
