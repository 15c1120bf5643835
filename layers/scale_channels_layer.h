// [scale_channels]: multiplies the channels of an earlier layer by this input (squeeze and excitation). AlexeyAB's host
// only, its kernel.
#pragma once

#include "engine/op.h"

namespace dng {

Op scale_channels_op();

}  // namespace dng
