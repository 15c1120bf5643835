// [scale_channels]: multiplies the channels of an earlier layer by this input (squeeze and excitation). AlexeyAB's host
// only, its kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op scale_channels_op();

}  // namespace dng::layers
