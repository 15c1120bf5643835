// The plan of a network: decided once, before the first pass, from the shapes alone.
#pragma once

#include <memory>
#include <vector>

#include "engine/arena.h"
#include "engine/node.h"

namespace dng {

using Nodes = std::vector<std::unique_ptr<Node>>;

// Bypasses what only hands numbers on: readers of a [route] of one layer read that layer, and a 1x1 convolution after a
// [maxpool] of size 1 reads every n-th row and column itself. A [route] that begins with all the layers of an earlier
// one reads that one instead, in place. Before the layouts are chosen.
void wire(Nodes* nodes);

// Every edge is blocked where its writer and all its readers can; a kernel that wants all its edges alike makes them
// plain together.
void choose_layouts(Nodes* nodes);

// What a training pass needs: where outputs are, who settles which delta, which buffers lie at the same place.
//   first_trained  layers before it are frozen
//   fused          false: every output is stored, nothing is shared or handed on early; for comparison, and for
//   networks
//                  with layers that run on the host's code
// The output of the last node and of the one it reads are left to the caller.
void plan_training(Nodes* nodes, int first_trained, bool fused, Arena* arena);

// What an evaluation needs: for every node the place of its output (floats per image from the start of a thread's
// memory, and from one image to the next) when a few images go through all layers before the next ones.
struct InferencePlan {
  int piece = 1;  // images at a time
  std::vector<size_t> offset, stride;
  size_t total = 0;  // floats
};
InferencePlan plan_inference(const Nodes& nodes, int batch, int threads);

}  // namespace dng
