// A cost: softmax and cost in one, the last section of a classifier. The network's output is the probabilities.
//
//   input   logits z [batch][C], any finite numbers         output  f = softmax(z) [batch][C]
//   labels  [batch], 0..C-1; without labels no loss is computed and the gradient is zero
//   loss    summed over the batch; delta = -dL/dz per sample, not divided by the batch (Darknet's sign and scale)
// Computed in double precision inside, whatever the network's: C numbers a sample cost nothing beside a convolution.
#pragma once

#include <string>

#include "graph/op.h"
#include "math/cost.h"

namespace dng::layers {

// The op of a cost: shape, stand-in for the host and CPU kernel around `factory`, which stays reachable as Op::cost.
graph::Op cost_op(const std::string& section, const std::string& summary, const graph::CostFactory& factory);

}  // namespace dng::layers
