#include "layers/layer_options.h"

#include "base/error.h"

namespace dng::layers {

cfg::OptionSpec activation_option(const std::string& fallback) {
  std::vector<std::string> names;
  for (const auto& known : math::activation_names()) names.push_back(known.first);
  return cfg::choice_option("activation", fallback, names, "activation function");
}

math::Activation activation_of(const graph::LayerConfig& layer) {
  return math::activation_names().at(layer.options.text("activation"));
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

cfg::OptionSpec stride_option(const std::string& key) {
  return cfg::integer_option(key, "", 1, 1 << 10, "step in this direction (default: stride)");
}

int stride_along(const cfg::Options& options, const std::string& key) {
  return options.integer(options.given(key) ? key : "stride");
}

bool has_shortcut_factors(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  return (o.has("alpha") && o.real("alpha") != 1) || (o.has("beta") && o.real("beta") != 1);
}

}  // namespace dng::layers
