// Who reads whom, and in which memory layout: decided once, before the kernels are prepared.
#pragma once

#include <memory>
#include <vector>

#include "cpu/node.h"

namespace dng::cpu {

using Nodes = std::vector<std::unique_ptr<Node>>;

// Bypasses what only hands numbers on: readers of a [route] of one layer read that layer, a 1x1 convolution after a
// [maxpool] of size 1 reads every n-th row and column itself, and an activation becomes part of the layer before it
// where nobody else reads that. A [route] that begins with all the layers of an earlier one reads that one instead, in
// place.
void wire(Nodes* nodes);

// Every edge is blocked where its writer and all its readers can; a kernel that wants all its edges alike makes them
// plain together.
void choose_layouts(Nodes* nodes);

// Of each node: who reads it.
std::vector<std::vector<Node*>> readers_of(const Nodes& nodes);
// Of each node: the one in whose memory its output lies; itself, or a join that goes on with it in place.
std::vector<Node*> holders_of(const Nodes& nodes);

}  // namespace dng::cpu
