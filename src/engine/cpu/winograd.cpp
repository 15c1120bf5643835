#include "engine/cpu/winograd.h"

#include <algorithm>

#include "engine/cpu/instructions.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/winograd_math.h"
#include "engine/layout.h"

namespace dng {
namespace {

// Points of so many tiles lie in the second cache; the weights come from farther away for so many tiles at least.
constexpr size_t kBytes = size_t{256} << 10;
constexpr size_t kLeastTiles = 64;

int tiles_along(int length) { return (length + kWinogradTile - 1) / kWinogradTile; }

// The tiles of a piece in parts.
class Tiles {
 public:
  Tiles(const WinogradShape& shape) : shape_(shape), across_(tiles_along(shape.out.width)) {
    in_image_ = across_ * tiles_along(shape.out.height);
    count_ = shape.piece * in_image_;
    const size_t bytes = kWinogradPoints * sizeof(float) *
                         (static_cast<size_t>(shape.in.channels) + static_cast<size_t>(shape.out.channels));
    const size_t wanted = std::max(kBytes / bytes, kLeastTiles);
    // Parts of the same size, more or less.
    const size_t parts = (static_cast<size_t>(count_) + wanted - 1) / wanted;
    part_ = static_cast<int>((static_cast<size_t>(count_) + parts - 1) / parts);
  }

  int count() const { return count_; }
  int part() const { return part_; }
  // Floats from point to point of a part. Not a power of two, or the points of a tile would share a set of the cache.
  size_t step(size_t channels) const { return static_cast<size_t>(part_) * channels + kLanes; }
  int image(int tile) const { return tile / in_image_; }
  WinogradPlace output(int tile) const {
    const int t = tile % in_image_;
    return {shape_.out, t / across_ * kWinogradTile, t % across_ * kWinogradTile};
  }
  WinogradPlace input(int tile) const {
    const WinogradPlace to = output(tile);
    return {shape_.in, to.y - shape_.padding, to.x - shape_.padding};
  }

 private:
  const WinogradShape& shape_;
  int across_, in_image_ = 1, count_ = 0, part_ = 0;
};

size_t channels_of(const Geometry& shape) { return static_cast<size_t>(shape.channels); }

}  // namespace

bool winograd_available() { return instructions() == Instructions::kAvx2; }

bool winograd_saves(const Geometry& out) {
  // Four thirds of the products: for the transformations.
  return kWinogradPoints * tiles_along(out.height) * tiles_along(out.width) * 4 <= 3 * 9 * out.height * out.width;
}

size_t WinogradConvolution::points_size() const {
  return kWinogradPoints * channels_of(shape_.in) * channels_of(shape_.out);
}

void WinogradConvolution::transform(const float* weights, float* points) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const int panels = static_cast<int>((filters + kWinogradPanel - 1) / kWinogradPanel);
  for_tasks(panels, [&](int panel, Scratch&) {
    const size_t first = static_cast<size_t>(panel) * kWinogradPanel;
    const size_t width = std::min<size_t>(kWinogradPanel, filters - first);
    for (size_t c = 0; c < depth; ++c) {
      float nine[9 * kWinogradPanel];
      for (size_t n = 0; n < width; ++n) {
        const float* filter = weights + 9 * (turned_ ? c * filters + first + n : (first + n) * depth + c);
        for (size_t i = 0; i < 9; ++i) nine[i * kWinogradPanel + n] = filter[turned_ ? 8 - i : i];
      }
      winograd_filters(nine, static_cast<int>(width), points + first * depth + c * width, depth * filters);
    }
  });
}

void WinogradConvolution::run(const float* in, const float* points, const float* bias, bool relu, float* out,
                              Scratch* scratch) const {
  const ScratchFrame frame(scratch);
  const Tiles tiles(shape_);
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const size_t in_step = tiles.step(depth), out_step = tiles.step(filters);
  float* patches = scratch->take(kWinogradPoints * in_step);
  float* products = scratch->take(kWinogradPoints * out_step);
  for (int first = 0; first < tiles.count(); first += tiles.part()) {
    const int count = std::min(tiles.part(), tiles.count() - first);
    for (int t = 0; t < count; ++t) {
      winograd_patch(in + static_cast<size_t>(tiles.image(first + t)) * shape_.in.size(), tiles.input(first + t),
                     patches + static_cast<size_t>(t) * depth, in_step);
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_multiply(patches + i * in_step, count, shape_.in.channels, points + i * depth * filters,
                        shape_.out.channels, products + i * out_step);
    }
    for (int t = 0; t < count; ++t) {
      winograd_tile(products + static_cast<size_t>(t) * filters, out_step, bias, relu, tiles.output(first + t),
                    out + static_cast<size_t>(tiles.image(first + t)) * shape_.out.size());
    }
  }
}

size_t WinogradGradient::size() const { return kWinogradPoints * channels_of(shape_.in) * channels_of(shape_.out); }

void WinogradGradient::run(const float* in, const float* out_gradient, bool add, float* sums, Scratch* scratch) const {
  const ScratchFrame frame(scratch);
  const Tiles tiles(shape_);
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const size_t in_step = tiles.step(depth), out_step = tiles.step(filters);
  float* patches = scratch->take(kWinogradPoints * in_step);
  float* gradients = scratch->take(kWinogradPoints * out_step);
  for (int first = 0; first < tiles.count(); first += tiles.part()) {
    const int count = std::min(tiles.part(), tiles.count() - first);
    for (int t = 0; t < count; ++t) {
      const auto image = static_cast<size_t>(tiles.image(first + t)), row = static_cast<size_t>(t);
      winograd_patch(in + image * shape_.in.size(), tiles.input(first + t), patches + row * depth, in_step);
      winograd_tile_gradient(out_gradient + image * shape_.out.size(), tiles.output(first + t),
                             gradients + row * filters, out_step);
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_multiply_transposed(patches + i * in_step, gradients + i * out_step, count, shape_.in.channels,
                                   shape_.out.channels, add || first > 0, sums + i * depth * filters);
    }
  }
}

void WinogradGradient::finish(const float* sums, int count, float* gradient) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  for_tasks(shape_.in.channels / kWinogradBlock, [&](int block, Scratch&) {
    for (size_t n = 0; n < filters; n += kWinogradPanel) {
      const size_t width = std::min<size_t>(kWinogradPanel, filters - n);
      for (size_t l = 0; l < kWinogradBlock; ++l) {
        const size_t c = static_cast<size_t>(block) * kWinogradBlock + l;
        float nine[9 * kWinogradPanel];
        winograd_filters_gradient(sums + c * filters + n, depth * filters, count, size(), static_cast<int>(width),
                                  nine);
        for (size_t f = 0; f < width; ++f) {
          for (size_t i = 0; i < 9; ++i) gradient[9 * ((n + f) * depth + c) + i] = nine[i * kWinogradPanel + f];
        }
      }
    }
  });
}

}  // namespace dng
