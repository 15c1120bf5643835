// An image as data sets return it: 8-bit planes, the layout of CIFAR's files and of Darknet's input.
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

// A rectangle cut out of an image for the random resized crop: pixels of R, G, B and an unused byte. More than the
// rectangle may have been decoded: it starts at `first`, its rows are `stride` bytes apart.
struct Part {
  int height = 0, width = 0;
  size_t first = 0, stride = 0;
  std::vector<uint8_t> bytes;  // never shrinks: reused for the next image

  const uint8_t* row(int y) const { return bytes.data() + first + stride * static_cast<size_t>(y); }
  // Makes room for rows of `columns` pixels, with the rectangle at the start.
  void reserve(int rows, int columns) {
    first = 0;
    stride = 4 * static_cast<size_t>(columns);
    bytes.resize(std::max(bytes.size(), stride * static_cast<size_t>(rows)));
  }
};

// Returns the rectangle that is needed of an image of that shape. Called once an image, when its shape is known.
using ChooseRectangle = std::function<Rectangle(const Geometry& shape)>;

}  // namespace dng::data
