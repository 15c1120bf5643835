// Options of [dropout] that CPU and GPU read.
#pragma once

#include "graph/op.h"

namespace dng::layers {

// Its default is the host's.
double dropout_probability(const cfg::Options& options);
// The side of a square of dropblock=1 at the end of the training.
double drop_block_size(const graph::LayerConfig& layer);

}  // namespace dng::layers
