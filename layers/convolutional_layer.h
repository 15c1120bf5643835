// [convolutional]: 2-D cross-correlation with bias or batch norm, then an activation. Weights
// [filters][channels / groups][size][size]; output height = (height + 2 padding - size) / stride + 1. The host's
// kernel, with two corrections in src/host/: a strided 1x1 on the packaged host, lost bias gradients and overwritten
// deltas on AlexeyAB's. Weights start normal with standard deviation sqrt(2 / (size size channels / groups)).
#pragma once

#include "engine/op.h"

namespace dng {

Op convolutional_op();

}  // namespace dng
