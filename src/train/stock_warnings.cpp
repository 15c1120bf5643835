#include "train/stock_warnings.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "host/host.h"
#include "layers/antialiasing.h"
#include "layers/convolution_options.h"
#include "layers/layer_options.h"

namespace dng::train {
namespace {

struct Difference {
  std::string option, what;
};
using Differences = std::vector<Difference>;

// Of keys that the host ignores, those whose value changes something.
void add_missing_keys(const graph::LayerConfig& layer, const std::vector<std::string>& keys, Differences* found) {
  const cfg::Options& o = layer.options;
  for (const std::string& key : keys) {
    const bool counts_from_one = key == "dilation" || key == "groups", is_stride = key.rfind("stride", 0) == 0;
    const int neutral = is_stride ? o.integer("stride") : counts_from_one ? 1 : 0;
    if (!o.given(key) || o.integer(key) == neutral) continue;
    found->push_back(
        {key, format("%s has no %s= in [%s]", host::traits().name, key.c_str(), layer.op->section.c_str())});
  }
}

void add_differences_of_activation(const graph::LayerConfig& layer, Differences* found) {
  const host::Traits& host = host::traits();
  const std::string& section = layer.op->section;
  const std::string& name = layer.options.text("activation");
  if (std::count(host.activations.begin(), host.activations.end(), name) == 0) {
    found->push_back({"activation", format("%s has no %s", host.name, name.c_str())});
  } else if (host.has_zero_activations &&
             (name == "relu6" || (name == "hard_mish" && section != "convolutional") ||
              ((name == "swish" || name == "mish") && section != "convolutional" && section != "shortcut"))) {
    found->push_back(
        {"activation", format("on a CPU %s gives zero for %s in [%s]", host.name, name.c_str(), section.c_str())});
  }
}

void add_differences_of_convolution(const graph::LayerConfig& layer, Differences* found) {
  const host::Traits& host = host::traits();
  const layers::ConvolutionWindow window = layers::convolution_window(layer.options);
  if (!host.has_maxpool_depth) add_missing_keys(layer, {"stride_x", "stride_y", "dilation", "antialiasing"}, found);
  const bool loses_stride = host.ignores_stride_of_1x1 ? window.strides() : window.stride_x == 1 && window.stride_y > 1;
  if (window.size == 1 && loses_stride) {
    found->push_back({"stride", format("%s ignores this stride of a 1x1 convolution (right here and there: [maxpool] "
                                       "size=1 with the stride, then stride=1)",
                                       host.name)});
  }
}

Differences differences_of(const graph::LayerConfig& layer) {
  const host::Traits& host = host::traits();
  const std::string& section = layer.op->section;
  Differences found;
  if ((section == "scale_channels" || section == "sam") && !host.has_scale_channels) {
    found.push_back({"from", format("%s has no [%s]", host.name, section.c_str())});
  }
  if (section == "shortcut" && !layer.equal_sources && host.shortcut_needs_equal_shapes) {
    found.push_back({"from", format("%s adds equal shapes only", host.name)});
  }
  if (section == "shortcut" && layers::has_shortcut_factors(layer) && !host.shortcut_has_alpha_beta) {
    found.push_back({"alpha", format("%s has no factors in [shortcut]", host.name)});
  }
  if (section == "local_avgpool" && !host.has_local_avgpool) {
    found.push_back({"size", format("%s has no [local_avgpool]", host.name)});
  }
  if (section == "normalization") {
    found.push_back({"size", format("%s leaves a square out of the sums", host.name)});
  }
  if (section == "convolutional") add_differences_of_convolution(layer, &found);
  if (section == "maxpool" && !host.has_maxpool_depth) {
    add_missing_keys(layer, {"stride_x", "stride_y", "antialiasing", "maxpool_depth"}, &found);
  }
  if (section == "route" && !host.route_has_groups) add_missing_keys(layer, {"groups"}, &found);
  if (section == "reorg" && !host.has_reorg_extra) add_missing_keys(layer, {"flatten", "extra"}, &found);
  if (layer.options.has("activation")) add_differences_of_activation(layer, &found);
  return found;
}

// What the host's `classifier valid` does even to an image of the network's size (data/evaluation.cpp leaves it alone).
std::string crop_of_whole_images(const data::Geometry& input) {
  if (host::traits().eval_crop == data::EvalCrop::kCentreSquare) {
    return input.height == input.width ? "" : "stretches the centre square";
  }
  return input.height >= input.width ? "" : "enlarges the centre";
}

void warn_about_crop(const graph::NetworkConfig& config) {
  const std::string what = crop_of_whole_images(config.frame);
  if (what.empty()) return;
  std::printf("%s: evaluations take images of the network's size as they are; the stock %s %s of those, too\n",
              config.net.where("height").c_str(), host::traits().binary.c_str(), what.c_str());
}

}  // namespace

void warn_about_stock(const graph::NetworkConfig& config) {
  warn_about_crop(config);
  std::set<std::string> said;
  for (const graph::LayerConfig& layer : config.layers) {
    for (const Difference& difference : differences_of(layer)) {
      if (!said.insert(difference.what).second) continue;
      std::printf("%s: %s; the stock %s would evaluate these weights otherwise\n",
                  layer.options.where(difference.option).c_str(), difference.what.c_str(),
                  host::traits().binary.c_str());
    }
  }
}

}  // namespace dng::train
