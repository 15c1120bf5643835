// [maxpool]: the maximum over windows. Output height = (height + padding - size) / stride + 1, the window starts at
// -padding / 2 (rounded towards zero). Of equal pixels the first gets the gradient.
#include "cpu/loops/max_pooling.h"
#include "layers/ops.h"
#include "layers/pool_options.h"
#include "layers/pooling_kernel.h"

namespace dng::layers {
namespace {

class MaxpoolKernel final : public PoolingKernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer) : PoolingKernel(true), subsample_factor_(0) {
    const PoolWindow window = pool_window(layer.options);
    shape_ = {layer.in, layer.out, window.size, window.stride, -(window.padding / 2)};
    if (window.size == 1 && window.padding == 0) subsample_factor_ = window.stride;
  }
  int subsample_factor() const override { return subsample_factor_; }

 private:
  // indices: the start of the largest pixel within its row.
  void pool(const float* input, float* output, int* indices) const override {
    for (int row = 0; row < in_.count(); ++row) {
      const size_t first = out_.offset(row);
      cpu::max_pool_row(input + in_.offset(row), shape_, in_.block, output + first, indices + first);
    }
  }

  void pool_gradient(const float* delta, const int* indices, float* input_delta) const override {
    for (int row = 0; row < in_.count(); ++row) {
      float* to = input_delta + in_.offset(row);
      for (size_t i = 0; i < out_.length(); ++i) {
        const size_t at = out_.offset(row) + i;
        to[indices[at] + static_cast<int>(i % static_cast<size_t>(in_.block))] += delta[at];
      }
    }
  }

  cpu::PoolShape shape_;
  int subsample_factor_;
};

}  // namespace

graph::Op maxpool_op() {
  graph::Op op("maxpool", graph::Op::Kind::kLayer, "the maximum over windows");
  op.alias("max");
  add_pool_options(&op);
  op.shaped(pool_shape).kernel([](const graph::LayerConfig& layer) { return std::make_unique<MaxpoolKernel>(layer); });
  for (const char* key : {"maxpool_depth", "out_channels", "antialiasing", "stride_x", "stride_y"}) {
    op.refuse(key, "this program does not train such pooling; remove it");
  }
  return op;
}

}  // namespace dng::layers
