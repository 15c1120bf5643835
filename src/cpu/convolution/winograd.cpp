#include "cpu/convolution/winograd.h"

#include <algorithm>

#include "base/sum_tree.h"
#include "cpu/convolution/winograd_math.h"
#include "cpu/convolution/winograd_weights.h"
#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

// Tiles are computed in parts whose points fit into the L2 cache, of kMinTiles at least: for every part, the weights
// are read from farther away.
constexpr size_t kBytes = size_t{256} << 10;
constexpr size_t kMinTiles = 64;
constexpr size_t kNine = 9;  // weights of a filter's channel

size_t channels_of(const data::Geometry& shape) { return static_cast<size_t>(shape.channels); }

// Floats from point to point of the weights. Not a power of two, see WinogradPoints.
size_t weights_step(const WinogradShape& shape) { return channels_of(shape.in) * channels_of(shape.out) + kLanes; }

// Tiles of a part: all parts are of about the same size.
int part_of(const WinogradShape& shape, int tiles) {
  const size_t bytes = kWinogradPoints * sizeof(float) * (channels_of(shape.in) + channels_of(shape.out));
  const size_t wanted = std::max(kBytes / bytes, kMinTiles), all = static_cast<size_t>(tiles);
  const size_t parts = (all + wanted - 1) / wanted;
  return static_cast<int>((all + parts - 1) / parts);
}

// Some of a micro-batch's tiles, and room for the points of inputs and outputs.
struct Part {
  const WinogradTiles& tiles;
  WinogradPoints ins, outs;
  float *in_points, *out_points;
  int first = 0, count = 0;
};

template <class Work>
void for_parts(const WinogradShape& shape, Workspace* workspace, const Work& work) {
  const WorkspaceFrame frame(workspace);
  const WinogradTiles tiles(shape);
  const int size = part_of(shape, tiles.count());
  const WinogradPoints ins{size, shape.in.channels}, outs{size, shape.out.channels};
  Part part{tiles, ins, outs, workspace->take(ins.size()), workspace->take(outs.size())};
  for (; part.first < tiles.count(); part.first += size) {
    part.count = std::min(size, tiles.count() - part.first);
    work(part);
  }
}

}  // namespace

size_t WinogradConvolution::points_size() const { return kWinogradPoints * weights_step(shape_); }

void WinogradConvolution::transform(const float* weights, float* points) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const auto panel = static_cast<size_t>(winograd_loops().panel);
  for_tasks(static_cast<int>((filters + panel - 1) / panel), [&](int task, Workspace&) {
    const size_t first = static_cast<size_t>(task) * panel;
    const WinogradWeightsPart part{filters, depth, first, std::min(panel, filters - first), 0, depth};
    const bool rotated = weights_ == WinogradWeights::kRotated;
    const auto run = rotated ? winograd_points_of_rotated_weights : winograd_points_of_weights;
    run(part, weights, points + first * depth, weights_step(shape_));
  });
}

void WinogradConvolution::run(const float* in, const float* points, const float* bias, bool relu, float* out,
                              Workspace* workspace) const {
  for_parts(shape_, workspace, [&](const Part& p) {
    for (int t = 0; t < p.count; ++t) {
      winograd_loops().patch(in + static_cast<size_t>(p.tiles.image(p.first + t)) * shape_.in.size(),
                             p.tiles.input(p.first + t), p.in_points + static_cast<size_t>(t) * p.ins.row(),
                             p.ins.step());
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_loops().multiply(p.in_points + i * p.ins.step(), p.ins.row(), p.count, shape_.in.channels,
                                points + i * weights_step(shape_), shape_.out.channels, false,
                                p.out_points + i * p.outs.step(), p.outs.row());
    }
    for (int t = 0; t < p.count; ++t) {
      winograd_loops().tile(p.out_points + static_cast<size_t>(t) * p.outs.row(), p.outs.step(), bias, relu,
                            p.tiles.output(p.first + t),
                            out + static_cast<size_t>(p.tiles.image(p.first + t)) * shape_.out.size());
    }
  });
}

size_t WinogradGradient::size() const { return kWinogradPoints * weights_step(shape_); }

void WinogradGradient::run(const float* in, const float* out_gradient, bool add, float* sums,
                           Workspace* workspace) const {
  for_parts(shape_, workspace, [&](const Part& p) {
    for (int t = 0; t < p.count; ++t) {
      const auto image = static_cast<size_t>(p.tiles.image(p.first + t)), row = static_cast<size_t>(t);
      winograd_loops().patch(in + image * shape_.in.size(), p.tiles.input(p.first + t), p.in_points + row * p.ins.row(),
                             p.ins.step());
      winograd_loops().tile_gradient(out_gradient + image * shape_.out.size(), p.tiles.output(p.first + t),
                                     p.out_points + row * p.outs.row(), p.outs.step());
    }
    for (size_t i = 0; i < kWinogradPoints; ++i) {
      winograd_loops().multiply_transposed(p.in_points + i * p.ins.step(), p.ins.row(),
                                           p.out_points + i * p.outs.step(), p.outs.row(), p.count, shape_.in.channels,
                                           shape_.out.channels, add || p.first > 0, sums + i * weights_step(shape_));
    }
  });
}

void WinogradGradient::finish(const float* sums, int shards, int parts, float* gradients) const {
  const size_t depth = channels_of(shape_.in), filters = channels_of(shape_.out);
  const auto block = static_cast<size_t>(block_channels());
  for_tasks(static_cast<int>(depth / block), [&](int task, Workspace&) {
    const size_t first = static_cast<size_t>(task) * block;
    const WinogradWeightsPart part{filters, depth, 0, filters, first, block};
    const auto gradient = [&](int shard) { return gradients + static_cast<size_t>(shard) * filters * depth * kNine; };
    for (int s = 0; s < shards; ++s) {
      winograd_weights_of_points(part, sums + static_cast<size_t>(s * parts) * size() + first * filters,
                                 weights_step(shape_), filters, parts, size(), false, gradient(s));
    }
    for_sum_tree(shards, [&](int to, int from) {
      for (size_t f = 0; f < filters; ++f) {
        const size_t at = (f * depth + first) * kNine;
        row_accumulate(gradient(from) + at, block * kNine, gradient(to) + at);
      }
    });
  });
}

}  // namespace dng::cpu
