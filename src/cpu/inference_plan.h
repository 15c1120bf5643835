// How an evaluation runs: a micro-batch passes through all layers before the next one, in the thread's memory. Through
// the first layers, whose outputs are large, it passes in parts.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/choose_layouts.h"
#include "cpu/shards.h"

namespace dng::cpu {

struct InferencePlan {
  int micro_batch = 1;  // images at a time, a divisor of a shard
  int parted = 0;       // the first `parted` layers compute parts of a micro-batch
  int part = 1;         // images of one, a divisor of the micro-batch
  // Of each node's output: where it starts in the thread's memory, and from one image to the next, in floats.
  std::vector<size_t> offset, stride;
  std::vector<bool> whole;  // it holds the whole micro-batch; else one part
  size_t total = 0;         // floats
};
InferencePlan plan_inference(const Nodes& nodes, const Shards& shards);

}  // namespace dng::cpu
