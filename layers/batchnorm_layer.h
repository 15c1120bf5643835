// [batchnorm]: normalisation of each channel over batch, height and width, then scale and bias. Shapes are kept.
//   training    y = (x - mean) / divisor(v) * scale + bias, with the batch's mean and its unbiased variance v (over N -
//   1) evaluation  the same with the rolling mean and variance divisor(v) = sqrt(v) + 1e-6 on the packaged host, sqrt(v
//   + 1e-5) on AlexeyAB's, so that the weights evaluate the same under the stock binary.
// The rolling statistics move by max(host's rate, 1 / (steps + 1)) of each batch: the host's rate alone, from a start
// of zero, leaves them far too small for hundreds of steps. Backward is the host's formula: 1 / sqrt(v + 1e-5)
// throughout and sums divided by N (not N - 1), which differs from the exact derivative by O(1/N). Source: Ioffe,
// Szegedy: Batch Normalization, ICML 2015. The kernel is ours on both hosts: the packaged one crashes and never
// updates, and both overwrite the gradient of the layer before.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op batchnorm_op();

}  // namespace dng::layers
