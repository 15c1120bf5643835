// [maxpool]: the maximum over windows. Output height = (height + padding - size) / stride + 1, the window starts at
// -padding / 2 (rounded towards zero). The host's kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op maxpool_op();

}  // namespace dng::layers
