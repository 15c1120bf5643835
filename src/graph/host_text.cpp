// The cfg for Darknet, which owns the parameters and computes nothing.
#include "base/text.h"
#include "graph/network_config.h"

namespace dng::graph {
namespace {

std::vector<cfg::CfgSection> sections_of(const LayerConfig& layer) {
  if (layer.op->host_sections) return layer.op->host_sections(layer);
  return {{layer.op->section, 0, layer.options.host_entries()}};
}

std::string section_text(const cfg::CfgSection& section) {
  std::string text = "[" + section.name + "]\n";
  for (const cfg::CfgEntry& entry : section.entries) text += entry.key + "=" + entry.value + "\n";
  return text;
}

}  // namespace

std::vector<int> NetworkConfig::host_layers() const {
  std::vector<int> numbers = {0};
  for (const LayerConfig& layer : layers) {
    numbers.push_back(numbers.back() + static_cast<int>(sections_of(layer).size()));
  }
  return numbers;
}

std::string NetworkConfig::host_text() const {
  cfg::CfgSection head{"net", 0, {}};
  const auto number = [](int value) { return std::to_string(value); };
  head.entries = {{"batch", number(mini_batch), 0},        {"subdivisions", "1", 0},
                  {"height", number(input.height), 0},     {"width", number(input.width), 0},
                  {"channels", number(input.channels), 0}, {"max_batches", "1", 0}};
  std::string text = section_text(head);
  const std::vector<int> numbers = host_layers();
  // With a [crop], or where a layer has several stand-ins, Darknet counts otherwise than the user.
  const bool renumbered = numbers.back() != layers.back().number + 1;
  for (const LayerConfig& layer : layers) {
    for (cfg::CfgSection& section : sections_of(layer)) {
      for (cfg::CfgEntry& entry : section.entries) {
        if (!renumbered || (entry.key != "from" && entry.key != "layers")) continue;
        std::vector<std::string> sources;
        for (size_t i = entry.key == "from" ? 1 : 0; i < layer.sources.size(); ++i) {
          sources.push_back(number(numbers[static_cast<size_t>(layer.sources[i]) + 1] - 1));
        }
        entry.value = join(sources, ",");
      }
      text += section_text(section);
    }
  }
  return text;
}

}  // namespace dng::graph
