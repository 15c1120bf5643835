// [upsample]: repeats every pixel stride times in both directions, times scale. [C][H][W] -> [C][stride H][stride W].
#include "layers/image_kernel.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class UpsampleKernel final : public ImageKernel {
 public:
  explicit UpsampleKernel(const graph::LayerConfig& layer)
      : out_(layer.out),
        stride_(layer.options.integer("stride")),
        scale_(static_cast<float>(layer.options.real("scale"))) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    each([&](size_t at, size_t from) { output[at] = scale_ * inputs[0][from]; });
  }
  void compute_gradients(const float* const*, const float*, float* delta, float* const* gradients,
                         cpu::Workspace*) const override {
    if (gradients[0] == nullptr) return;
    each([&](size_t at, size_t from) { gradients[0][from] += scale_ * delta[at]; });
  }

  // Calls visit(index in the output, index in the input).
  template <class Visit>
  void each(const Visit& visit) const {
    const auto width = static_cast<size_t>(out_.width / stride_);
    size_t at = 0;
    for (int row = 0; row < out_.channels * out_.height; ++row) {
      for (int x = 0; x < out_.width; ++x, ++at) {
        visit(at, static_cast<size_t>(row / stride_) * width + static_cast<size_t>(x / stride_));
      }
    }
  }

  data::Geometry out_;
  int stride_;
  float scale_;
};

}  // namespace

graph::Op upsample_op() {
  return graph::Op("upsample", graph::Op::Kind::kLayer, "repeats every pixel")
      .option(cfg::integer_option("stride", "2", 1, 1 << 10, "how often, in both directions"))
      .option(cfg::real_option("scale", "1", -1e6, 1e6, "factor on the output"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        const int stride = layer->options.integer("stride");
        layer->out = {layer->in.channels, layer->in.height * stride, layer->in.width * stride};
      })
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<UpsampleKernel>(layer); });
}

}  // namespace dng::layers
