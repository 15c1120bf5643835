// [distill]: the student's cost, labels and a frozen teacher.
//   L = (1 - lambda) CE(y, f) + lambda T^2 KL[t_T || f_T]
//   dL/dz_j = (1 - lambda) (f_j - y_j) + lambda T (f_T,j - t_T,j)
// f_T = softmax(z / T); t_T ~ t^(1/T), the teacher's probabilities. Derivation below.
// Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015; lambda is the teacher's weight.
//   lambda           0.6   0..1               weight of the teacher; 1 - lambda that of the labels
//   temperature      1     above 0
//   teacher          cfg of the teacher (any architecture with as many classes and the same input size)
//   teacher_weights  its weights
//   targets          a .targets file made by `classifier targets`, instead of teacher and teacher_weights
// The teacher runs on the very same augmented batch, with its rolling statistics; nothing of it is ever changed. It
// equals plain [softmax] bit for bit at lambda = 0. Shapes, sign and numerics: layers/costs/cost_op.h.
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

// Distillation: L = (1 - lambda) CE(y, f) + lambda T^2 KL[t_T || f_T], with f_T = softmax(z / T) and t_T the teacher's
// probabilities raised to 1/T and normalised. KL's derivative in z / T is f_T - t_T, hence
//   dL/dz_j = (1 - lambda) (f_j - y_j) + lambda T (f_T,j - t_T,j).
// A class to which the teacher gives nothing adds 0 log 0 = 0. `workspace` is 3 C numbers.
template <class Real, class Lanes = math::OneLane>
DNG_HOST_DEVICE Real distillation(const math::CostRow<Real>& row, Real lambda, Real temperature, Real* workspace,
                                  Real* gradient, const Lanes& lanes = {}) {
  const int n = row.classes;
  const Real* log_f = row.log_f;
  const Real* f = row.f;
  const Real* t = row.teacher;
  if (temperature != Real(1)) {
    Real* soft = workspace;
    Real* log_soft = workspace + n;
    Real* target = workspace + 2 * n;
    for (int j = lanes.first(); j < n; j += lanes.step()) target[j] = row.z[j] / temperature;
    lanes.sync();
    math::log_softmax(n, target, log_soft, soft, lanes);
    Real sum = 0;
    for (int j = lanes.first(); j < n; j += lanes.step()) {
      target[j] = row.teacher[j] > 0 ? std::pow(row.teacher[j], Real(1) / temperature) : Real(0);
      sum += target[j];
    }
    sum = lanes.sum(sum);
    for (int j = lanes.first(); j < n; j += lanes.step()) target[j] /= sum;
    log_f = log_soft;
    f = soft;
    t = target;
  }
  const Real loss = math::cross_entropy(row, gradient, lanes);
  Real divergence = 0;
  for (int j = lanes.first(); j < n; j += lanes.step()) {
    if (t[j] > 0) divergence += t[j] * (std::log(t[j]) - log_f[j]);
    gradient[j] = (1 - lambda) * gradient[j] + lambda * (temperature * (f[j] - t[j]));
  }
  return (1 - lambda) * loss + lambda * (temperature * temperature * lanes.sum(divergence));
}

// What the options amount to.
struct DistillFormula {
  static constexpr bool kNeedsTeacher = true;
  double lambda, temperature;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow<double>& row, double, const math::CostWorkspace& workspace,
                                    double* gradient, const Lanes& lanes) const {
    return distillation(row, lambda, temperature, workspace.numbers, gradient, lanes);
  }
};

graph::Op distill_op();
DistillFormula distill_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
