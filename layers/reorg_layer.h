// [reorg]: moves blocks of space into channels. The host's kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op reorg_op();

}  // namespace dng::layers
