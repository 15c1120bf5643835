// [upsample]: repeats every pixel stride times in both directions. The host's kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op upsample_op();

}  // namespace dng::layers
