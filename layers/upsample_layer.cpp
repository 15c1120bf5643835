// [upsample]: repeats every pixel stride times in both directions, times scale. [C][H][W] -> [C][stride H][stride W].
// With a negative stride the inverse: the sum of blocks of -stride x -stride pixels, times scale.
#include <algorithm>

#include "base/error.h"
#include "layers/image_kernel.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class UpsampleKernel final : public ImageKernel {
 public:
  explicit UpsampleKernel(const graph::LayerConfig& layer)
      : sums_(layer.options.integer("stride") < 0),
        large_(sums_ ? layer.in : layer.out),
        small_(sums_ ? layer.out : layer.in),
        stride_(std::abs(layer.options.integer("stride"))),
        scale_(static_cast<float>(layer.options.real("scale"))) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    if (sums_) {
      std::fill_n(output, small_.size(), 0.0f);
      return each([&](size_t large, size_t small) { output[small] += scale_ * inputs[0][large]; });
    }
    each([&](size_t large, size_t small) { output[large] = scale_ * inputs[0][small]; });
  }
  void compute_gradients(const float* const*, const float*, float* delta, float* const* gradients,
                         cpu::Workspace*) const override {
    if (gradients[0] == nullptr) return;
    float* gradient = gradients[0];
    if (sums_) return each([&](size_t large, size_t small) { gradient[large] += scale_ * delta[small]; });
    each([&](size_t large, size_t small) { gradient[small] += scale_ * delta[large]; });
  }

  // Calls visit(index in the larger of input and output, that of its pixel in the smaller).
  template <class Visit>
  void each(const Visit& visit) const {
    const auto width = static_cast<size_t>(small_.width);
    size_t at = 0;
    for (int row = 0; row < large_.channels * large_.height; ++row) {
      for (int x = 0; x < large_.width; ++x, ++at) {
        visit(at, static_cast<size_t>(row / stride_) * width + static_cast<size_t>(x / stride_));
      }
    }
  }

  bool sums_;
  data::Geometry large_, small_;
  int stride_;
  float scale_;
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const int stride = layer->options.integer("stride");
  const data::Geometry& in = layer->in;
  if (stride == 0) fail("%s: allowed are numbers above and below 0", layer->options.where("stride").c_str());
  if (stride > 0) {
    layer->out = {in.channels, in.height * stride, in.width * stride};
  } else if (in.height % stride == 0 && in.width % stride == 0) {
    layer->out = {in.channels, in.height / -stride, in.width / -stride};
  } else {
    fail("%s: %d must divide the input's height %d and width %d", layer->options.where("stride").c_str(), -stride,
         in.height, in.width);
  }
}

}  // namespace

graph::Op upsample_op() {
  return graph::Op("upsample", graph::Op::Kind::kLayer, "repeats every pixel")
      .option(cfg::integer_option("stride", "2", -(1 << 10), 1 << 10,
                                  "how often, in both directions; negative: sums of blocks"))
      .option(cfg::real_option("scale", "1", -1e6, 1e6, "factor on the output"))
      .shaped(shape)
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<UpsampleKernel>(layer); });
}

}  // namespace dng::layers
