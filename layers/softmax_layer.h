// [softmax]: plain cross entropy, L = -log f_y; dL/dz = f - y. Source: Darknet's own layer, whose loss this is for
// one-hot labels. Shapes, sign and numerics: layers/cost.h.
//   groups       1         Darknet writes it; only 1 is a classifier
//   temperature  1         only 1
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op softmax_op();

}  // namespace dng::layers
