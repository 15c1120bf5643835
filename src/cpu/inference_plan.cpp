#include "cpu/inference_plan.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "graph/buffers.h"
#include "host/host.h"

namespace dng::cpu {
namespace {

// Measured: with 16 images a layer of a CIFAR network fits into the cache. Of larger images fewer do, but there are
// always these minima: with large weights 8 are faster, because the last layers of a network for large images then have
// enough tiles for Winograd.
constexpr int kMaxImages = 16;
constexpr size_t kBytes = size_t{4} << 20;
constexpr int kMinImages = 4, kMinImagesForLargeWeights = 8;
// Layers whose tensors for a micro-batch do not fit are computed for a part of it, two images at least: measured.
constexpr int kMinOfAPart = 2;

int64_t largest_weights(const Nodes& nodes) {
  int64_t largest = 0;
  for (const auto& node : nodes) {
    for (const host::Block& block : *node->blocks) largest = std::max(largest, block.count);
  }
  return largest;
}

// How many images keep a layer in the cache.
int images_that_fit(size_t floats) { return static_cast<int>(kBytes / (floats * sizeof(float))); }

void choose_parts(const Nodes& nodes, const std::vector<graph::Node*>& holders, size_t largest, InferencePlan* plan) {
  plan->part = plan->micro_batch;
  plan->whole.assign(nodes.size(), false);
  const auto holder = [&](const Node& node) {
    return static_cast<size_t>(holders[static_cast<size_t>(node.index)]->index);
  };
  for (const auto& node : nodes) {
    const bool fits = images_that_fit(node->in_size() + node->out_size()) >= plan->micro_batch;
    if (!node->plan.bypassed() && !fits) plan->parted = node->index + 1;
  }
  if (plan->parted > 0) {
    const int fit = std::max(kMinOfAPart, images_that_fit(largest));
    while (plan->part > fit && plan->part % 2 == 0) plan->part /= 2;
  }
  for (const auto& node : nodes) {
    if (node->plan.bypassed() || node->index < plan->parted) continue;
    plan->whole[holder(*node)] = true;
    for (const graph::Edge& source : node->sources) {
      if (source.node != nullptr) plan->whole[holder(*node_of(source))] = true;
    }
  }
  for (const auto& node : nodes) plan->whole[static_cast<size_t>(node->index)] = plan->whole[holder(*node)];
}

}  // namespace

InferencePlan plan_inference(const Nodes& nodes, const Shards& shards) {
  InferencePlan plan;
  size_t largest = 1;
  for (const auto& node : nodes) {
    if (!node->plan.bypassed()) largest = std::max(largest, node->in_size() + node->out_size());
  }
  const int64_t weights = largest_weights(nodes);
  const int least = weights > kLargeWeights ? kMinImagesForLargeWeights : kMinImages;
  const int parts = shards.parts(weights > kLargeWeights ? kMinMicroBatches / 2 : kMinMicroBatches);
  for (int micro_batch = 1; micro_batch <= std::min(shards.images / parts, kMaxImages); ++micro_batch) {
    if (shards.images % micro_batch == 0 &&
        (static_cast<size_t>(micro_batch) * largest * sizeof(float) <= kBytes || micro_batch <= least)) {
      plan.micro_batch = micro_batch;
    }
  }
  const std::vector<graph::Node*> holders = graph::holders_of(graph::graph_of(nodes));
  choose_parts(nodes, holders, largest, &plan);
  std::vector<graph::Buffer> buffers(nodes.size());
  for (const auto& node : nodes) {
    const auto i = static_cast<size_t>(node->index);
    const auto h = static_cast<size_t>(holders[i]->index);
    plan.stride.push_back(static_cast<const Node*>(holders[i])->out_size());
    if (node->plan.bypassed()) continue;
    if (h == i) {
      buffers[i].size = node->out_size() * static_cast<size_t>(plan.whole[i] ? plan.micro_batch : plan.part);
      if (buffers[i].birth == 0) buffers[i].birth = node->index;
    } else {
      buffers[h].birth = buffers[h].birth == 0 ? node->index : std::min(buffers[h].birth, node->index);
    }
    buffers[h].death = std::max(buffers[h].death, node->index);
    for (const graph::Edge& source : node->sources) {
      if (source.node == nullptr) continue;
      graph::Buffer& read = buffers[static_cast<size_t>(holders[static_cast<size_t>(source.node->index)]->index)];
      read.death = std::max(read.death, node->index);
    }
  }
  // What later layers read is live while all parts pass through the first ones.
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (plan.whole[i] && buffers[i].birth < plan.parted) buffers[i].birth = 0;
  }
  plan.total = graph::place(&buffers);
  for (size_t i = 0; i < nodes.size(); ++i)
    plan.offset.push_back(buffers[static_cast<size_t>(holders[i]->index)].offset);
  return plan;
}

}  // namespace dng::cpu
