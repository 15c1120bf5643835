// What a training pass needs: where outputs are, who settles which delta, which buffers lie at the same place.
#pragma once

#include "cpu/arena.h"
#include "cpu/wiring.h"

namespace dng::cpu {

//   first_trained  layers before it are frozen
//   fused          false: every output is stored, nothing is shared or handed on early; for comparison, and for
//   networks
//                  with layers that run on the host's code
// Fills what cpu/node.h has for training. An output or a delta that a node has already is left alone.
void plan_training(Nodes* nodes, int first_trained, bool fused, Arena* arena);

}  // namespace dng::cpu
