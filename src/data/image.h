// An image as data sets hand it out: 8-bit planes, the layout of CIFAR's files and of Darknet's input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace dng::data {

struct Geometry {
  int channels = 0, height = 0, width = 0;
  size_t size() const { return static_cast<size_t>(channels) * height * width; }
};

// planes[c][y][x], RGB order where there are three channels, 0..255.
struct Image {
  Geometry shape;
  std::vector<uint8_t> planes;
};

// A rectangle of an image.
struct Rectangle {
  int x = 0, y = 0, width = 0, height = 0;
};

// A rectangle that was cut out of an image, as the random resized crop wants it: pixel by pixel, R, G, B and a byte
// without meaning. More than the rectangle may have been decoded; it starts at `first`, its rows `stride` bytes apart.
struct Part {
  int height = 0, width = 0;
  size_t first = 0, stride = 0;
  std::vector<uint8_t> bytes;  // only ever grows, so that the next image finds its memory

  const uint8_t* row(int y) const { return bytes.data() + first + stride * static_cast<size_t>(y); }
  // Room for rows of `columns` pixels, the rectangle at the start.
  void reserve(int rows, int columns) {
    first = 0;
    stride = 4 * static_cast<size_t>(columns);
    bytes.resize(std::max(bytes.size(), stride * static_cast<size_t>(rows)));
  }
};

// Says which rectangle of an image of that shape is wanted. Called once an image, as soon as its shape is known.
using ChooseRectangle = std::function<Rectangle(const Geometry& shape)>;

}  // namespace dng::data
