// [confidence_penalty]: cross entropy minus entropy, a patriarch that is tolerant towards all classes alike.
//   L = CE(y, f) - beta H(f), H(f) = -sum f log f;  dL/dz_j = f_j - y_j + beta f_j (log f_j - sum_i f_i log f_i)
// Source: Pereyra et al.: Regularizing Neural Networks by Penalizing Confident Output Distributions, 2017.
//   beta  0.1  at least 0
// It equals plain [softmax] bit for bit at beta = 0. Shapes, sign and numerics: layers/cost.h.
#pragma once

#include "graph/op.h"
#include "math/cost_formulas.h"

namespace dng::layers {

graph::Op confidence_penalty_op();
math::ConfidencePenaltyFormula confidence_penalty_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
