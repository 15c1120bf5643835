// [avgpool]: the mean over height and width. [C][H][W] -> [C][1][1]. The host's kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op avgpool_op();

}  // namespace dng::layers
