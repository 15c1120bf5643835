#include "cpu/convolution/wide_convolution.h"

#include <algorithm>

#include "cpu/convolution/winograd_math.h"
#include "cpu/convolution/winograd_weights.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

// A slice of the weights, whose points take 300 KB: they fit into the L2 cache.
constexpr size_t kFilters = 32, kChannels = 64;
// The points of so many tiles' products with a slice take as many bytes.
constexpr int kMaxTiles = 64;

size_t channels_of(const data::Geometry& image) { return static_cast<size_t>(image.channels); }
size_t slices_of(size_t filters) { return (filters + kFilters - 1) / kFilters; }

// Calls work(tile, its image of the range) for the tiles of a range of images.
template <class Work>
void for_tiles(const WinogradTiles& tiles, const graph::Range& range, const Work& work) {
  for (int i = 0; i < range.count; ++i) {
    for (int t = 0; t < tiles.in_image(); ++t) {
      work((range.first + i) * tiles.in_image() + t, static_cast<size_t>(i));
    }
  }
}

void read_patches(const WinogradShape& shape, const float* images, const graph::Range& range, float* points) {
  const WinogradTiles tiles(shape);
  const WinogradPoints to{tiles.count(), shape.in.channels};
  for_tiles(tiles, range, [&](int tile, size_t image) {
    winograd_loops().patch(images + image * shape.in.size(), tiles.input(tile),
                           points + static_cast<size_t>(tile) * to.row(), to.step());
  });
}

// A convolution of all images, filters in slices.
template <class Transform>
void convolve(const WinogradShape& shape, const Transform& points_of_weights, const float* weights, const float* from,
              float* to) {
  const WinogradTiles tiles(shape);
  const size_t depth = channels_of(shape.in), filters = channels_of(shape.out);
  const WinogradPoints ins{tiles.count(), shape.in.channels};
  for_tasks(static_cast<int>(slices_of(filters)), [&](int slice, Workspace& workspace) {
    const size_t first = static_cast<size_t>(slice) * kFilters, width = std::min(kFilters, filters - first);
    const WinogradPoints outs{tiles.count(), static_cast<int>(width)};
    const size_t weight_step = kChannels * width + kLanes;
    float* products = workspace.take(outs.size());
    float* points = workspace.take(kWinogradPoints * weight_step);
    for (size_t c = 0; c < depth; c += kChannels) {
      const size_t channels = std::min(kChannels, depth - c);
      points_of_weights({filters, depth, first, width, c, channels}, weights, points, weight_step);
      for (size_t i = 0; i < kWinogradPoints; ++i) {
        winograd_loops().multiply(from + i * ins.step() + c, ins.row(), tiles.count(), static_cast<int>(channels),
                                  points + i * weight_step, static_cast<int>(width), c > 0, products + i * outs.step(),
                                  outs.row());
      }
    }
    const size_t space = shape.out.size() / filters;
    for (int t = 0; t < tiles.count(); ++t) {
      WinogradPlace place = tiles.output(t);
      place.shape.channels = static_cast<int>(width);
      winograd_loops().tile(products + static_cast<size_t>(t) * outs.row(), outs.step(), nullptr, false, place,
                            to + static_cast<size_t>(tiles.image(t)) * shape.out.size() + first * space);
    }
  });
}

}  // namespace

bool WideConvolution::pays(const ConvolutionShape& shape, int batch) {
  const int block = block_channels();
  if (!winograd_fits(shape) || shape.in.channels % block != 0 || shape.out.channels % block != 0) return false;
  // Measured with 256 and 512 channels and 16 to 512 tiles; the products of more than 64 do not stay in the cache.
  const int channels = std::min(shape.in.channels, shape.out.channels), tiles = batch * winograd_tiles(shape.out);
  return 32 * tiles >= channels && 4 * tiles <= channels && tiles <= kMaxTiles;
}

WideConvolution::WideConvolution(const ConvolutionShape& shape, int batch)
    : forward_(winograd_shape(shape)), backward_data_(rotated_winograd_shape(shape)) {
  forward_.micro_batch = backward_data_.micro_batch = batch;
}

size_t WideConvolution::size_of(const data::Geometry& image, const WinogradShape& shape) {
  return WinogradPoints{WinogradTiles(shape).count(), image.channels}.size();
}

void WideConvolution::read_inputs(const float* in, const graph::Range& range, float* inputs) const {
  read_patches(forward_, in, range, inputs);
}

void WideConvolution::read_gradients_for_data(const float* out_gradient, const graph::Range& range, float* data) const {
  read_patches(backward_data_, out_gradient, range, data);
}

void WideConvolution::read_gradients_for_weights(const float* out_gradient, const graph::Range& range,
                                                 float* tiles) const {
  const WinogradTiles places(forward_);
  const WinogradPoints to{places.count(), forward_.out.channels};
  for_tiles(places, range, [&](int tile, size_t image) {
    winograd_loops().tile_gradient(out_gradient + image * forward_.out.size(), places.output(tile),
                                   tiles + static_cast<size_t>(tile) * to.row(), to.step());
  });
}

void WideConvolution::forward(const float* weights, const float* inputs, float* out) const {
  convolve(forward_, winograd_points_of_weights, weights, inputs, out);
}

void WideConvolution::backward_data(const float* weights, const float* data, float* in_gradient) const {
  convolve(backward_data_, winograd_points_of_rotated_weights, weights, data, in_gradient);
}

void WideConvolution::backward_weights(const float* inputs, const float* tiles, float* update) const {
  const size_t depth = channels_of(forward_.in), filters = channels_of(forward_.out);
  const int count = WinogradTiles(forward_).count();
  const WinogradPoints ins{count, forward_.in.channels}, outs{count, forward_.out.channels};
  for_tasks(static_cast<int>(slices_of(filters)), [&](int slice, Workspace& workspace) {
    const size_t first = static_cast<size_t>(slice) * kFilters, width = std::min(kFilters, filters - first);
    const size_t step = kChannels * width + kLanes;
    float* sums = workspace.take(kWinogradPoints * step);
    for (size_t c = 0; c < depth; c += kChannels) {
      const size_t channels = std::min(kChannels, depth - c);
      for (size_t i = 0; i < kWinogradPoints; ++i) {
        winograd_loops().multiply_transposed(inputs + i * ins.step() + c, ins.row(), tiles + i * outs.step() + first,
                                             outs.row(), count, static_cast<int>(channels), static_cast<int>(width),
                                             false, sums + i * step);
      }
      winograd_weights_of_points({filters, depth, first, width, c, channels}, sums, step, width, 1, 0, true, update);
    }
  });
}

}  // namespace dng::cpu
