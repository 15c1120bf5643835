#include "network/own_blocks.h"

#include <new>

namespace dng::network {
namespace {

std::vector<host::Block> blocks_of(const graph::LayerConfig& layer) {
  const std::string& section = layer.op->section;
  const cfg::Options& o = layer.options;
  const bool each_output = section == "connected" || section == "local";
  const int64_t units = each_output ? static_cast<int64_t>(layer.out.size()) : layer.out.channels;
  host::LayerBlocks blocks;
  for (host::Block* block : {&blocks.bias, &blocks.scale, &blocks.mean, &blocks.variance}) block->count = units;
  if (section == "connected") {
    blocks.weights.count = units * static_cast<int64_t>(layer.in.size());
  } else if (section == "local" || section == "convolutional") {
    const int64_t size = o.integer("size"), groups = section == "local" ? 1 : o.integer("groups");
    blocks.weights.count = units * (layer.in.channels / groups) * size * size;
  }
  return blocks.in_file_order(section, o.has("batch_normalize") && o.flag("batch_normalize"));
}

}  // namespace

host::Blocks own_blocks(const graph::NetworkConfig& config, OwnMemory* memory) {
  host::Blocks blocks;
  size_t values = 0;
  for (const graph::LayerConfig& layer : config.layers) {
    blocks.push_back(blocks_of(layer));
    for (const host::Block& block : blocks.back()) values += static_cast<size_t>(block.count);
  }
  // Pages that are zero without being written.
  memory->reset(static_cast<float*>(std::calloc(values + 1, sizeof(float))));
  if (*memory == nullptr) throw std::bad_alloc();
  float* next = memory->get();
  for (auto& layer : blocks) {
    for (host::Block& block : layer) {
      block.value = next;
      next += block.count;
    }
  }
  return blocks;
}

}  // namespace dng::network
