// [dropout]: in training, sets each value to zero with the given probability and scales the others by
// 1 / (1 - probability); at evaluation the identity. Shapes are kept.
// Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
// The mask is drawn from the counter-based generator by (seed, layer, position of the image in training), so it is the
// same after a resume and for any number of threads. Unlike the host's, it does not change its input in place: the
// host's way spoils the gradient of the layer before where that is computed from its output.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op dropout_op();

}  // namespace dng::layers
