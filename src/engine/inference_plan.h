// What an evaluation needs: a few images go through all layers before the next ones, in memory of the thread's.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/wiring.h"

namespace dng {

struct InferencePlan {
  int piece = 1;  // images at a time
  // Of each node's output: where it starts in the thread's memory, and from one image to the next, in floats.
  std::vector<size_t> offset, stride;
  size_t total = 0;  // floats
};
InferencePlan plan_inference(const Nodes& nodes, int batch, int threads);

}  // namespace dng
