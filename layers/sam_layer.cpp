// [sam]: multiplies this input by an earlier layer of the same shape, y = f(input earlier) (spatial attention).
#include "base/error.h"
#include "cpu/workspace.h"
#include "layers/image_kernel.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class SamKernel final : public ImageKernel {
 public:
  SamKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  void prepare(const cpu::Node& node, const cpu::Setup&) override { size_ = node.out_size(); }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = activation_ != math::Activation::kLinear && !math::gradient_reads_input(activation_);
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    for (size_t i = 0; i < size_; ++i) output[i] = inputs[0][i] * inputs[1][i];
    cpu::row_activation(output, size_, activation_);
  }

  void compute_gradients(const float* const* inputs, const float* output, float* delta, float* const* gradients,
                         cpu::Workspace* workspace) const override {
    if (math::gradient_reads_input(activation_)) {
      float* product = workspace->take(size_);
      for (size_t i = 0; i < size_; ++i) product[i] = inputs[0][i] * inputs[1][i];
      output = product;
    }
    cpu::row_activation_gradient(output, size_, activation_, delta);
    for (size_t slot = 0; slot < 2; ++slot) {
      if (gradients[slot] == nullptr) continue;
      for (size_t i = 0; i < size_; ++i) gradients[slot][i] += delta[i] * inputs[1 - slot][i];
    }
  }

  math::Activation activation_;
  size_t size_ = 0;
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer->options;
  o.require("from", "name the layer that is multiplied");
  layer->sources.push_back(context.resolve(o, "from", o.integer("from")));
  const data::Geometry &in = layer->in, from = context.shape_of(layer->sources[1]);
  if (in.channels == from.channels && in.height == from.height && in.width == from.width) return;
  fail("%s: layer %d is %dx%dx%d, the input is %dx%dx%d; the shapes must be equal", o.where("from").c_str(),
       context.number_of(layer->sources[1]), from.channels, from.height, from.width, in.channels, in.height, in.width);
}

}  // namespace

graph::Op sam_op() {
  return graph::Op("sam", graph::Op::Kind::kLayer, "multiplies this input by an earlier layer")
      .option(cfg::integer_option("from", "", -(1 << 20), 1 << 20, "the layer that is multiplied"))
      .option(activation_option("linear"))
      .shaped(shape)
      .stand_in(same_shape)
      .kernel(make_with_activation<SamKernel>);
}

}  // namespace dng::layers
