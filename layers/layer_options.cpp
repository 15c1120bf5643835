#include "layers/layer_options.h"

#include "base/error.h"
#include "host/host.h"

namespace dng::layers {

cfg::OptionSpec activation_option(const std::string& fallback) {
  return cfg::choice_option("activation", fallback, host::traits().activations, "activation function");
}

void require_working_activation(const graph::LayerConfig& layer, bool darknet_kernel) {
  const std::string& name = layer.options.text("activation");
  if (name != "swish" && name != "mish" && !(darknet_kernel && name == "relu6")) return;
  fail("%s: in [%s] Darknet computes zero for it; use another one, or %s in a [convolutional] before it",
       layer.options.where("activation").c_str(), layer.op->section.c_str(), name.c_str());
}

void require_room_for_batchnorm(const graph::LayerConfig& layer, const graph::ShapeContext& context) {
  if (context.batch * layer.out.height * layer.out.width > 1) return;
  fail(
      "%s: batch norm over one value per channel has no variance; use a batch of at least 2 images per forward pass "
      "(batch / subdivisions)",
      layer.options.where().c_str());
}

void require_indexable_weights(const graph::LayerConfig& layer, double weights, const std::string& option) {
  if (weights < 2147483648.0) return;
  fail("%s: the layer would have %.3g weights; Darknet can index fewer than 2^31: make the layer or its input smaller",
       layer.options.where(option).c_str(), weights);
}

int window_count(const graph::LayerConfig& layer, int length, int padding, int size, int stride) {
  const int room = length + padding - size;
  if (room < 0) {
    fail("%s: a window of size %d does not fit into %d (padding included); use a smaller size or more padding",
         layer.options.where("size").c_str(), size, length + padding);
  }
  return room / stride + 1;
}

int convolution_padding(const cfg::Options& options) {
  return options.flag("pad") ? options.integer("size") / 2 : options.integer("padding");
}

bool has_shortcut_factors(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  return (o.has("alpha") && o.real("alpha") != 1) || (o.has("beta") && o.real("beta") != 1);
}

}  // namespace dng::layers
