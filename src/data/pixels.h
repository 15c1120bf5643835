// From bytes to the network's values.
#pragma once

#include <cstdint>
#include <vector>

#include "data/augment.h"
#include "data/image.h"
#include "data/window.h"

namespace dng::data {

// value[byte] of every channel: byte / 255 as Darknet computes it, then (value - mean) / std where the cfg has them.
class PixelTable {
 public:
  // Without mean and std.
  PixelTable();
  PixelTable(const Augmentation& augmentation, int channels);
  const float* channel(int c) const { return shared_ != nullptr ? shared_ : values_.data() + 256 * c; }

 private:
  const float* shared_ = nullptr;
  std::vector<float> values_;
};

// The image with the network's number of channels: itself, or `buffers` with 3 channels turned to grey or 1 repeated.
const Image& with_channels(const Image& image, int channels, Image* buffers);

// The rectangle of an image of 1 (grey) or 3 channels.
void cut_part(const Image& image, const Rectangle& rectangle, Part* part);

// Copies the window to `out`, one table look-up a value. Outside the image a byte is 0.
void copy_window(const Image& image, const Window& window, const PixelTable& table, const Geometry& geometry,
                 float* out);

// (value - mean) / std in place.
void normalise(const Augmentation& augmentation, const Geometry& geometry, float* values);

}  // namespace dng::data
