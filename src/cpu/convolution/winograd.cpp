#include "cpu/convolution/winograd.h"

#include <algorithm>

#include "cpu/convolution/winograd_math.h"
#include "cpu/convolution/winograd_weights.h"
#include "cpu/layout.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

// Points of so many tiles lie in the second cache; the weights come from farther away for so many tiles at least.
constexpr size_t kBytes = size_t{256} << 10;
constexpr size_t kMinTiles = 64;

size_t channels_of(const data::Geometry& shape) { return static_cast<size_t>(shape.channels); }

// Floats from point to point of the weights. Not a power of two, see WinogradPoints.
size_t weights_step(const WinogradShape& shape) { return channels_of(shape.in) * channels_of(shape.out) + kLanes; }

// Tiles to go through at a time: parts of the same size, more or less.
int part_of(const WinogradShape& shape, int tiles) {
  const size_t bytes = kWinogradPoints * sizeof(float) * (channels_of(shape.in) + channels_of(shape.out));
  const size_t wanted = std::max(kBytes / bytes, kMinTiles), all = static_cast<size_t>(tiles);
  const size_t parts = (all + wanted - 1) / wanted;
  return static_cast<int>((all + parts - 1) / parts);
}

}  // namespace

size_t WinogradConvolution::points_size() const { return kWinogradPoints * weights_step(shape_); }

void WinogradConvolution::transform(const float* weights, float* points) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const auto panel = static_cast<size_t>(winograd_panel());
  for_tasks(static_cast<int>((filters + panel - 1) / panel), [&](int task, Workspace&) {
    const size_t first = static_cast<size_t>(task) * panel;
    const WinogradWeightsPart part{filters, depth, first, std::min(panel, filters - first), 0, depth};
    const auto run = rotated_ ? winograd_points_of_rotated_weights : winograd_points_of_weights;
    run(part, weights, points + first * depth, weights_step(shape_));
  });
}

void WinogradConvolution::run(const float* in, const float* points, const float* bias, bool relu, float* out,
                              Workspace* workspace) const {
  const WorkspaceFrame frame(workspace);
  const WinogradTiles tiles(shape_);
  const int part = part_of(shape_, tiles.count());
  const WinogradPoints ins{part, shape_.in.channels}, outs{part, shape_.out.channels};
  float* patches = workspace->take(ins.size());
  float* products = workspace->take(outs.size());
  for (int first = 0; first < tiles.count(); first += part) {
    const int count = std::min(part, tiles.count() - first);
    for (int t = 0; t < count; ++t) {
      winograd_patch(in + static_cast<size_t>(tiles.image(first + t)) * shape_.in.size(), tiles.input(first + t),
                     patches + static_cast<size_t>(t) * ins.row(), ins.step());
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_multiply(patches + i * ins.step(), ins.row(), count, shape_.in.channels,
                        points + i * weights_step(shape_), shape_.out.channels, false, products + i * outs.step(),
                        outs.row());
    }
    for (int t = 0; t < count; ++t) {
      winograd_tile(products + static_cast<size_t>(t) * outs.row(), outs.step(), bias, relu, tiles.output(first + t),
                    out + static_cast<size_t>(tiles.image(first + t)) * shape_.out.size());
    }
  }
}

size_t WinogradGradient::size() const { return kWinogradPoints * weights_step(shape_); }

void WinogradGradient::run(const float* in, const float* out_gradient, bool add, float* sums,
                           Workspace* workspace) const {
  const WorkspaceFrame frame(workspace);
  const WinogradTiles tiles(shape_);
  const int part = part_of(shape_, tiles.count());
  const WinogradPoints ins{part, shape_.in.channels}, outs{part, shape_.out.channels};
  float* patches = workspace->take(ins.size());
  float* gradients = workspace->take(outs.size());
  for (int first = 0; first < tiles.count(); first += part) {
    const int count = std::min(part, tiles.count() - first);
    for (int t = 0; t < count; ++t) {
      const auto image = static_cast<size_t>(tiles.image(first + t)), row = static_cast<size_t>(t);
      winograd_patch(in + image * shape_.in.size(), tiles.input(first + t), patches + row * ins.row(), ins.step());
      winograd_tile_gradient(out_gradient + image * shape_.out.size(), tiles.output(first + t),
                             gradients + row * outs.row(), outs.step());
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_multiply_transposed(patches + i * ins.step(), ins.row(), gradients + i * outs.step(), outs.row(), count,
                                   shape_.in.channels, shape_.out.channels, add || first > 0,
                                   sums + i * weights_step(shape_));
    }
  }
}

void WinogradGradient::finish(const float* sums, int count, float* gradient) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const auto block = static_cast<size_t>(block_channels());
  for_tasks(static_cast<int>(depth / block), [&](int task, Workspace&) {
    const size_t first = static_cast<size_t>(task) * block;
    const WinogradWeightsPart part{filters, depth, 0, filters, first, block};
    winograd_weights_of_points(part, sums + first * filters, weights_step(shape_), filters, count, size(), false,
                               gradient);
  });
}

}  // namespace dng::cpu
