#include "layers/layer_options.h"

#include <algorithm>

#include "base/error.h"
#include "host/host.h"

namespace dng::layers {

cfg::OptionSpec activation_option(const std::string& fallback) {
  std::vector<std::string> names;
  for (const auto& known : math::activation_names()) names.push_back(known.first);
  return cfg::choice_option("activation", fallback, names, "activation function");
}

math::Activation activation_of(const graph::LayerConfig& layer) {
  return math::activation_names().at(layer.options.text("activation"));
}

cfg::CfgSection with_known_activation(const graph::LayerConfig& layer) {
  cfg::CfgSection section{layer.op->section, 0, layer.options.host_entries()};
  const std::vector<std::string>& known = host::traits().activations;
  for (cfg::CfgEntry& entry : section.entries) {
    if (entry.key == "activation" && std::count(known.begin(), known.end(), entry.value) == 0) entry.value = "linear";
  }
  return section;
}

cfg::CfgSection same_shape(const graph::LayerConfig&) {
  return {"maxpool", 0, {{"size", "1", 0}, {"stride", "1", 0}, {"padding", "0", 0}}};
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

float shortcut_factor(const graph::LayerConfig& layer, const char* name) {
  return layer.options.has(name) ? static_cast<float>(layer.options.real(name)) : 1;
}

bool has_shortcut_factors(const graph::LayerConfig& layer) {
  return shortcut_factor(layer, "alpha") != 1 || shortcut_factor(layer, "beta") != 1;
}

}  // namespace dng::layers
