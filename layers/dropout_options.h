// Options of [dropout] that CPU and GPU read.
#pragma once

#include "graph/op.h"

namespace dng::layers {

// Its default is the host's.
double dropout_probability(const cfg::Options& options);

}  // namespace dng::layers
