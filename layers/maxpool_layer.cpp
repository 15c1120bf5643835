// [maxpool]: the maximum over windows. Output height = (height + padding - size) / stride + 1, the window starts at
// -padding / 2 (rounded towards zero). Of equal pixels the first gets the gradient.
// With maxpool_depth=1 (AlexeyAB's) the maximum over channels instead: output[g] = max of input[g], input[g + N],
// input[g + 2 N], ... for each pixel, N = out_channels.
#include <algorithm>

#include "base/error.h"
#include "cpu/loops/max_pooling.h"
#include "host/host.h"
#include "layers/antialiasing.h"
#include "layers/image_kernel.h"
#include "layers/ops.h"
#include "layers/pool_options.h"
#include "layers/pooling_kernel.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class MaxpoolKernel final : public PoolingKernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer) : PoolingKernel(true), window_(pool_window(layer.options)) {
    shape_ = {layer.in, layer.out, window_.size, window_.stride_y, window_.stride_x, -(window_.padding / 2)};
  }
  int subsample_factor() const override { return layers::subsample_factor(window_); }

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

  PoolWindow window_;
  cpu::PoolShape shape_;
};

class DepthKernel final : public ImageKernel {
 public:
  explicit DepthKernel(const graph::LayerConfig& layer) : in_(layer.in), out_(layer.out) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    for (size_t i = 0; i < out_.size(); ++i) output[i] = inputs[0][largest(inputs[0], i)];
  }
  void compute_gradients(const float* const* inputs, const float*, float* delta, float* const* gradients,
                         cpu::Workspace*) const override {
    if (gradients[0] == nullptr) return;
    for (size_t i = 0; i < out_.size(); ++i) gradients[0][largest(inputs[0], i)] += delta[i];
  }

  // The index in the input of what output value i is.
  size_t largest(const float* input, size_t i) const {
    size_t best = i;
    for (size_t at = i + out_.size(); at < in_.size(); at += out_.size()) best = input[at] > input[best] ? at : best;
    return best;
  }

  data::Geometry in_, out_;
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer->options;
  if (!o.flag("maxpool_depth")) {
    layer->out = antialiased_shape(*layer, pool_output);
    return;
  }
  layer->out.channels = o.integer("out_channels");
  if (layer->out.channels > layer->in.channels) {
    fail("%s: the input has %d channels, which is the most", o.where("out_channels").c_str(), layer->in.channels);
  }
  if (antialiased(*layer)) {
    fail("%s: maxpool_depth=1 has no window; keep one of them", o.where("antialiasing").c_str());
  }
}

// The fork counts the output of antialiasing=1 without its strides.
std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const bool plain = !o.given("stride_y") && !o.given("stride_x") && !o.flag("maxpool_depth");
  if (!antialiased(layer) && (plain || host::traits().has_maxpool_depth)) {
    return {{"maxpool", 0, o.host_entries()}};
  }
  return reshaping(layer.in, layer.out);
}

std::unique_ptr<graph::Kernel> make_kernel(const graph::LayerConfig& layer) {
  if (layer.options.flag("maxpool_depth")) return std::make_unique<DepthKernel>(layer);
  return make_antialiased(layer, pool_output,
                          [](const graph::LayerConfig& sharp) { return std::make_unique<MaxpoolKernel>(sharp); });
}

}  // namespace

graph::Op maxpool_op() {
  graph::Op op("maxpool", graph::Op::Kind::kLayer, "the maximum over windows");
  op.alias("max");
  add_pool_options(&op);
  op.option(antialiasing_option())
      .option(cfg::flag_option("maxpool_depth", "0", "1: the maximum over channels, for each pixel"))
      .option(cfg::integer_option("out_channels", "1", 1, 1 << 20, "channels that maxpool_depth=1 leaves"))
      .shaped(shape)
      .stand_in(stand_in)
      .kernel(make_kernel)
      .refuse("maxpool_zero_nonmax", "Darknet changes the input of the layer on a GPU; remove it");
  return op;
}

}  // namespace dng::layers
