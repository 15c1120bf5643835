// An image as data sets hand it out: 8-bit planes, the layout of CIFAR's files and of Darknet's input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dng {

struct Geometry {
  int channels = 0, height = 0, width = 0;
  size_t size() const { return static_cast<size_t>(channels) * height * width; }
};

// planes[c][y][x], RGB order where there are three channels, 0..255.
struct Image {
  Geometry shape;
  std::vector<uint8_t> planes;
};

}  // namespace dng
