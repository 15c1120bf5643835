// [distill]: the student's cost, labels and a frozen teacher.
//   L = (1 - lambda) CE(y, f) + lambda T^2 KL[t_T || f_T]
//   dL/dz_j = (1 - lambda) (f_j - y_j) + lambda T (f_T,j - t_T,j)
// f_T = softmax(z / T); t_T ~ t^(1/T), the teacher's probabilities. Derivation in cost_math.h.
// Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015; lambda is the teacher's weight.
//   lambda           0.6   0..1               weight of the teacher; 1 - lambda that of the labels
//   temperature      1     above 0
//   teacher          cfg of the teacher (any architecture with as many classes and the same input size)
//   teacher_weights  its weights
//   targets          a .targets file made by `classifier targets`, instead of teacher and teacher_weights
// The teacher runs on the very same augmented batch, with its rolling statistics; nothing of it is ever changed. It
// equals plain [softmax] bit for bit at lambda = 0. Shapes, sign and numerics: layers/cost.h.
#pragma once

#include "graph/op.h"
#include "math/cost_formulas.h"

namespace dng::layers {

graph::Op distill_op();
math::DistillFormula distill_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
