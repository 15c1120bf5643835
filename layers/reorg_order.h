// The order in which [reorg] reads its input, for CPU and GPU; see reorg_layer.cpp.
#pragma once

#include <vector>

#include "graph/op.h"

namespace dng::layers {

// Of each output value of an image: its place in the input, or -1 for a zero (extra=); both are
// [channels][height][width].
std::vector<int> reorg_sources(const graph::LayerConfig& layer);

}  // namespace dng::layers
