// Which layers are computed within others: decided once, before the kernels are prepared.
#pragma once

#include "graph/node.h"

namespace dng::graph {

// In this order, where the kernels say that they can (graph/kernel.h):
// - a [route] of one layer: its readers read that layer
// - an activation becomes part of the layer before it, where nobody else reads that
// - a shortcut becomes part of the later of its sources, where nobody else reads that
// - a 1x1 convolution after a [maxpool] of size 1 reads every n-th row and column itself
// - a [route] that begins with all the layers of an earlier one continues that one in place
void fuse(const Graph& graph);

}  // namespace dng::graph
