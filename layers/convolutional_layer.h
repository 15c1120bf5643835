// [convolutional]: 2-D cross-correlation with bias or batch norm, then an activation. Weights
// [filters][channels / groups][size][size]; output height = (height + 2 padding - size) / stride + 1. Weights start
// normal with standard deviation sqrt(2 / (size size channels / groups)). The CPU kernel is oneDNN's
// (convolutional_kernel.h). The host's is used for activations we do not have, with corrections in src/host/: a strided
// 1x1 on the packaged host, lost bias gradients and overwritten deltas on AlexeyAB's.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op convolutional_op();

// Padding on every side: size / 2 where pad=1, else padding=.
int convolution_padding(const cfg::Options& options);

}  // namespace dng::layers
