// [tsd]: the tolerant patriarch's cost, cross entropy plus top-score difference.
//   L = eta CE(y, f) + (1 - eta) [f_a1 - 1/(k-1) sum_{i=2..k} f_ai],  dL/dz_j = eta (f_j - y_j) + (1 - eta) f_j (c_j -
//   g)
// a1..ak are the k largest outputs (ties: the lower index), held constant in the derivative; derivation in cost_math.h.
// Source: Yang, Xie, Qiao, Yuille: Training Deep Neural Networks in Generations, AAAI 2019.
//   eta            0..1               literal weight of the cross entropy, or
//   confidence     above 1/k, to 1    wanted on the primary class: eta = u k / (k - 1 + u k), and u = 1 is eta = 1
//   k              5, from 2 to C     scores compared, the primary one included
//   primary        top | truth        a1 is the largest output, or the label (then a2..ak are the largest of the
//   others) warmup_epochs  0                  eta falls linearly from 1 to its value over these epochs
// The literal optimum puts min(1, eta (k-1) / ((1-eta) k)) on the primary class; the confidence inverts that. It equals
// plain [softmax] bit for bit at eta = 1. With primary=top the optimum has a kink at 1/k for eta below 1/k.
// Shapes, sign and numerics: layers/cost.h.
#pragma once

#include "graph/op.h"
#include "math/cost_formulas.h"

namespace dng::layers {

graph::Op tsd_op();
math::TsdFormula tsd_formula(const graph::LayerConfig& layer);

// eta for a wanted confidence u on the primary class; u in (1/k, 1], and u = 1 gives 1.
double eta_of_confidence(double confidence, int k);

}  // namespace dng::layers
