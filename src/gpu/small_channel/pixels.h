// Loads pixels of NHWC images into a block's shared memory.
#pragma once

#include "gpu/divider.h"
#include "gpu/tile.h"

namespace dng::DNG_GPU {

using Eight = gpu::Pack<gpu::BFloat16, kPackOfTile>;

constexpr int kMaxChannels = 64, kMaxSize = 3, kMaxTaps = kMaxSize * kMaxSize, kMaxStride = 2;
// Positions of a block at most: a thread prepares each.
constexpr int kMaxPositions = kThreads;
// Rows of shared memory are longer by this: the eight that are read at once then lie in different banks.
constexpr int kApart = 8;

DNG_HOST_DEVICE constexpr int rounded_up(int number, int multiple) {
  return (number + multiple - 1) / multiple * multiple;
}
// 16, 32 or 64
inline int padded_channels(int channels) { return channels <= 16 ? 16 : channels <= 32 ? 32 : 64; }

// Eight channels of a pixel into shared memory, zero beyond the last channel and where the pixel does not exist
// (`pixel` is some valid address then); `channel` is a multiple of eight. Done after finish_copies().
DNG_DEVICE inline void copy_channels(const gpu::BFloat16* pixel, int channel, int channels, bool exists,
                                     gpu::BFloat16* to) {
  if (channels % kPackOfTile == 0) {
    exists = exists && channel < channels;
    return begin_copy(to, exists ? pixel + channel : pixel, exists);
  }
  Eight eight{};
  for (int i = 0; exists && i < kPackOfTile && channel + i < channels; ++i) eight.values[i] = pixel[channel + i];
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
  // `room` images from `image` on, of which `images` exist; channels from `first` on, kPadded of them, into pixels
  // that are kPadded + kApart apart.
  template <int kPadded>
  DNG_DEVICE void load(const Block& block, const gpu::BFloat16* all, int image, int images, int room, int top, int left,
                       int first, gpu::BFloat16* to) const {
    constexpr int kPacks = kPadded / kPackOfTile;
    const int items = room * pixels() * kPacks;
    const gpu::BFloat16* from =
        all + static_cast<size_t>(image) * static_cast<size_t>(height * width) * static_cast<size_t>(channels);
    block.each_thread([&](int thread) {
      for (int i = thread; i < items; i += kThreads) {
        const int pixel = i / kPacks, channel = i % kPacks * kPackOfTile;
        const int number = by_rectangle.quotient(pixel), inside = pixel - number * pixels();
        const int row = by_row.quotient(inside);
        const int y = top + row, x = left + inside - row * columns;
        const bool exists = number < images && y >= 0 && y < height && x >= 0 && x < width;
        copy_channels(from + (exists ? ((number * height + y) * width + x) * channels : 0), first + channel, channels,
                      exists, to + pixel * (kPadded + kApart) + channel);
      }
    });
  }
};

}  // namespace dng::DNG_GPU
