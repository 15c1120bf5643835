// [reorg]: moves blocks of stride x stride pixels into channels, [C][H][W] -> [C s s][H / s][W / s], in Darknet's
// order: output value i, with (k, j, l) its channel, row and column in the *input's* shape, is pixel (j s + k / D / s,
// l s + k / D % s) of channel k % D of the input read as [D][H s][W s], D = C / s^2.
#include "base/error.h"
#include "layers/image_kernel.h"
#include "layers/ops.h"
#include "layers/reorg_order.h"

namespace dng::layers {
namespace {

class ReorgKernel final : public ImageKernel {
 public:
  explicit ReorgKernel(const graph::LayerConfig& layer) : from_(reorg_sources(layer)) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    for (size_t i = 0; i < from_.size(); ++i) output[i] = inputs[0][from_[i]];
  }
  void compute_gradients(const float* const*, const float*, float* delta, float* const* gradients,
                         cpu::Workspace*) const override {
    if (gradients[0] == nullptr) return;
    for (size_t i = 0; i < from_.size(); ++i) gradients[0][from_[i]] += delta[i];
  }

  std::vector<int> from_;  // of each output value: its place in the input
};

}  // namespace

std::vector<int> reorg_sources(const graph::LayerConfig& layer) {
  const int stride = layer.options.integer("stride"), depth = layer.in.channels / (stride * stride);
  std::vector<int> from;
  for (int k = 0; k < layer.in.channels; ++k) {
    for (int j = 0; j < layer.in.height; ++j) {
      for (int l = 0; l < layer.in.width; ++l) {
        const int block = k / depth, y = j * stride + block / stride, x = l * stride + block % stride;
        from.push_back(x + layer.in.width * stride * (y + layer.in.height * stride * (k % depth)));
      }
    }
  }
  return from;
}

graph::Op reorg_op() {
  return graph::Op("reorg", graph::Op::Kind::kLayer, "blocks of space into channels")
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "side of a block"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        const int stride = layer->options.integer("stride");
        if (layer->in.height % stride != 0 || layer->in.width % stride != 0) {
          fail("%s: must divide the input's height %d and width %d", layer->options.where("stride").c_str(),
               layer->in.height, layer->in.width);
        }
        if (layer->in.channels % (stride * stride) != 0) {
          fail("%s: the input has %d channels; allowed is a multiple of stride * stride = %d",
               layer->options.where("stride").c_str(), layer->in.channels, stride * stride);
        }
        layer->out = {layer->in.channels * stride * stride, layer->in.height / stride, layer->in.width / stride};
      })
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<ReorgKernel>(layer); });
}

}  // namespace dng::layers
