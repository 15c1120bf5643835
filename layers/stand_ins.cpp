#include "layers/stand_ins.h"

#include <algorithm>

#include "host/host.h"

namespace dng::layers {

std::vector<cfg::CfgSection> with_known_activation(const graph::LayerConfig& layer) {
  cfg::CfgSection section{layer.op->section, 0, layer.options.host_entries()};
  const std::vector<std::string>& known = host::traits().activations;
  for (cfg::CfgEntry& entry : section.entries) {
    if (entry.key == "activation" && std::count(known.begin(), known.end(), entry.value) == 0) entry.value = "linear";
  }
  return {section};
}

std::vector<cfg::CfgSection> same_shape(const graph::LayerConfig&) {
  return {{"maxpool", 0, {{"size", "1", 0}, {"stride", "1", 0}, {"padding", "0", 0}}}};
}

std::vector<cfg::CfgSection> reshaping(const data::Geometry& from, const data::Geometry& to) {
  std::vector<cfg::CfgSection> sections;
  const auto number = [](int value) { return std::to_string(value); };
  if (from.height != to.height || from.width != to.width || from.channels == to.channels) {
    sections.push_back({"crop", 0, {{"crop_height", number(to.height), 0}, {"crop_width", number(to.width), 0}}});
  }
  if (from.channels != to.channels) {
    if (host::traits().has_maxpool_depth) {
      sections.push_back({"maxpool", 0, {{"maxpool_depth", "1", 0}, {"out_channels", number(to.channels), 0}}});
    } else {
      sections.push_back({"deconvolutional", 0, {{"filters", number(to.channels), 0}, {"activation", "linear", 0}}});
    }
  }
  return sections;
}

void append(const std::vector<cfg::CfgSection>& more, std::vector<cfg::CfgSection>* sections) {
  sections->insert(sections->end(), more.begin(), more.end());
}

}  // namespace dng::layers
