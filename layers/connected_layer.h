// [connected]: output = f(W input + b), optionally with batch norm over the batch. W is [output][inputs]. The host's
// kernel; weights start uniform in +-sqrt(2 / inputs).
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op connected_op();

}  // namespace dng::layers
