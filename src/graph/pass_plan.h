// What a pass needs: where outputs are, who runs whose backward epilogue, which buffers lie at the same place.
#pragma once

#include "graph/node.h"

namespace dng::graph {

struct PlanSettings {
  int first_trained = 0;  // layers before it are frozen
  bool trains = true;     // false: forward passes alone
  // False: every output is stored, nothing is shared or computed early, and no buffers lie at the same place; for
  // comparison.
  bool fused = true;
};

// Fills what graph/node.h has for training, and the offsets. Returns the floats that the buffers need in all.
size_t plan_passes(const Graph& graph, const PlanSettings& settings);

}  // namespace dng::graph
