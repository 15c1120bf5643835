// [local_avgpool]: the mean over windows; pixels outside the input are left out of the mean. Output height =
// (height + padding - size) / stride + 1, the window starts at -padding / 2 (rounded towards zero), padding defaults to
// size - 1 as for [maxpool].
// AlexeyAB's fork has this layer, the packaged Darknet has not. The kernel is this program's on both, because the
// fork's backward divides by size * size even where its forward divided by fewer pixels. Darknet sees a [maxpool] of
// the same window.
#include <algorithm>

#include "layers/ops.h"
#include "layers/pool_options.h"
#include "layers/pooling_kernel.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class LocalAvgpoolKernel final : public PoolingKernel {
 public:
  explicit LocalAvgpoolKernel(const graph::LayerConfig& layer)
      : PoolingKernel(false), window_(pool_window(layer.options)), in_shape_(layer.in), out_shape_(layer.out) {}

 private:
  void pool(const float* input, float* output, int*) const override {
    const auto block = static_cast<size_t>(in_.block);
    each_window([&](size_t out, size_t first, float share, int height, int width) {
      float sum[cpu::kLanes] = {};
      for (int y = 0; y < height; ++y) {
        const float* pixel = input + first + static_cast<size_t>(y * in_shape_.width) * block;
        for (int x = 0; x < width; ++x, pixel += block) {
          for (size_t l = 0; l < block; ++l) sum[l] += pixel[l];
        }
      }
      for (size_t l = 0; l < block; ++l) output[out + l] = sum[l] * share;
    });
  }

  void pool_gradient(const float* delta, const int*, float* input_delta) const override {
    const auto block = static_cast<size_t>(in_.block);
    each_window([&](size_t out, size_t first, float share, int height, int width) {
      for (int y = 0; y < height; ++y) {
        float* pixel = input_delta + first + static_cast<size_t>(y * in_shape_.width) * block;
        for (int x = 0; x < width; ++x, pixel += block) {
          for (size_t l = 0; l < block; ++l) pixel[l] += delta[out + l] * share;
        }
      }
    });
  }

  // Calls visit(index of the output pixel, of the window's first input pixel, 1 / pixels, height, width) for one image,
  // with the windows cut to the input.
  template <class Visit>
  void each_window(const Visit& visit) const {
    const auto block = static_cast<size_t>(in_.block);
    const int offset = -(window_.padding / 2);
    for (int row = 0; row < in_.count(); ++row) {
      size_t out = out_.offset(row);
      for (int oy = 0; oy < out_shape_.height; ++oy) {
        const int y = offset + oy * window_.stride_y;
        const int y0 = std::max(y, 0), y1 = std::min(y + window_.size, in_shape_.height);
        for (int ox = 0; ox < out_shape_.width; ++ox, out += block) {
          const int x = offset + ox * window_.stride_x;
          const int x0 = std::max(x, 0), x1 = std::min(x + window_.size, in_shape_.width);
          const size_t first = in_.offset(row) + static_cast<size_t>(y0 * in_shape_.width + x0) * block;
          visit(out, first, 1.0f / static_cast<float>((y1 - y0) * (x1 - x0)), y1 - y0, x1 - x0);
        }
      }
    }
  }

  PoolWindow window_;
  data::Geometry in_shape_, out_shape_;
};

std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  const PoolWindow window = pool_window(layer.options);
  if (window.stride_y != window.stride_x) return reshaping(layer.in, layer.out);
  return {{"maxpool",
           0,
           {{"size", std::to_string(window.size), 0},
            {"stride", std::to_string(window.stride_y), 0},
            {"padding", std::to_string(window.padding), 0}}}};
}

}  // namespace

graph::Op local_avgpool_op() {
  graph::Op op("local_avgpool", graph::Op::Kind::kLayer, "the mean over windows");
  add_pool_options(&op);
  op.shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) { layer->out = pool_output(*layer); })
      .stand_in(stand_in)
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<LocalAvgpoolKernel>(layer); });
  return op;
}

}  // namespace dng::layers
