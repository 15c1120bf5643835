// [avgpool]: the mean over height and width, [C][H][W] -> [C][1][1].
#include "cpu/loops/row_math.h"
#include "layers/ops.h"
#include "layers/pooling_kernel.h"

namespace dng::layers {
namespace {

class AvgpoolKernel final : public PoolingKernel {
 public:
  AvgpoolKernel() : PoolingKernel(false) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kInput; }

 private:
  void pool(const float* input, float* output, int*) const override {
    const auto space = static_cast<float>(in_.space);
    for (int row = 0; row < in_.count(); ++row) {
      float acc[cpu::kLanes] = {};
      double sums[cpu::kLanes];
      cpu::row_sum(input + in_.offset(row), in_.length(), acc);
      cpu::spread_lanes(acc, in_, sums);
      for (int l = 0; l < in_.block; ++l) {
        const int channel = in_.channel(row) + l;
        if (channel < out_.channels) output[channel] = static_cast<float>(sums[l]) / space;
      }
    }
  }

  void pool_gradient(const float* delta, const int*, float* input_delta) const override {
    const auto space = static_cast<float>(in_.space);
    for (int row = 0; row < in_.count(); ++row) {
      for (size_t i = 0; i < in_.space; ++i) {
        for (int l = 0; l < in_.block; ++l, ++input_delta) {
          const int channel = in_.channel(row) + l;
          if (channel < out_.channels) *input_delta += delta[channel] / space;
        }
      }
    }
  }
};

}  // namespace

graph::Op avgpool_op() {
  return graph::Op("avgpool", graph::Op::Kind::kLayer, "the mean over height and width")
      .alias("avg")
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        layer->out = {layer->in.channels, 1, 1};
      })
      .kernel([](const graph::LayerConfig&) { return std::make_unique<AvgpoolKernel>(); });
}

}  // namespace dng::layers
