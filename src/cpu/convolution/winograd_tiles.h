// The tiles of 4x4 that cover the outputs of a convolution of 3x3 and stride 1, image after image, and how their points
// lie in memory.
#pragma once

#include <cstddef>

#include "cpu/convolution/winograd_math.h"
#include "cpu/layout.h"
#include "data/image.h"

namespace dng::cpu {

// Images in blocks of channels (cpu/layout.h), padding 0 to 2 on all sides.
struct WinogradShape {
  int micro_batch = 1;  // images
  data::Geometry in, out;
  int padding = 1;
};

// Points of some tiles: [kWinogradPoints][tile][channel].
struct WinogradPoints {
  int tiles = 0, channels = 0;
  // Floats from tile to tile and from point to point; numbers at multiples of a large power of two share a few sets of
  // a cache.
  size_t row() const { return static_cast<size_t>(channels % 128 == 0 ? channels + kLanes : channels); }
  size_t step() const { return static_cast<size_t>(tiles) * row() + kLanes; }
  size_t size() const { return kWinogradPoints * step(); }
};

inline int winograd_tiles_along(int length) { return (length + kWinogradTile - 1) / kWinogradTile; }
// Of an image.
inline int winograd_tiles(const data::Geometry& out) {
  return winograd_tiles_along(out.height) * winograd_tiles_along(out.width);
}

class WinogradTiles {
 public:
  explicit WinogradTiles(const WinogradShape& shape)
      : shape_(shape), across_(winograd_tiles_along(shape.out.width)), in_image_(winograd_tiles(shape.out)) {}

  int in_image() const { return in_image_; }
  int count() const { return shape_.micro_batch * in_image_; }
  int image(int tile) const { return tile / in_image_; }
  WinogradPlace output(int tile) const {
    const int t = tile % in_image_;
    return {shape_.out, t / across_ * kWinogradTile, t % across_ * kWinogradTile};
  }
  // The patch that the tile is computed from.
  WinogradPlace input(int tile) const {
    const WinogradPlace to = output(tile);
    return {shape_.in, to.y - shape_.padding, to.x - shape_.padding};
  }

 private:
  const WinogradShape& shape_;
  int across_, in_image_;
};

}  // namespace dng::cpu
