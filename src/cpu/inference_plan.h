// What an evaluation needs: a few images go through all layers before the next ones, in memory of the thread's. Through
// the first layers, whose outputs are large, they go in parts.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/choose_layouts.h"

namespace dng::cpu {

struct InferencePlan {
  int micro_batch = 1;  // images at a time
  int parted = 0;       // so many layers, the first ones, are gone through in parts of a micro-batch
  int part = 1;         // images of one, a divisor of the micro-batch
  // Of each node's output: where it starts in the thread's memory, and from one image to the next, in floats.
  std::vector<size_t> offset, stride;
  std::vector<bool> whole;  // it lies there for the whole micro-batch; else for one part
  size_t total = 0;         // floats
};
InferencePlan plan_inference(const Nodes& nodes, int batch, int threads);

}  // namespace dng::cpu
