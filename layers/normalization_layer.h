// [normalization]: local response normalisation over channels (AlexNet). The host's kernel; alias [lrn].
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op normalization_op();

}  // namespace dng::layers
