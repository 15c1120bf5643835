// [distill]: the student's cost, labels and a frozen teacher.
//   L = (1 - lambda) CE(y, f) + lambda T^2 KL[t_T || f_T]
//   dL/dz_j = (1 - lambda) (f_j - y_j) + lambda T (f_T,j - t_T,j)
// f_T = softmax(z / T); t_T ~ t^(1/T), the teacher's probabilities. KL's derivative in z / T is f_T - t_T.
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

struct DistillFormula {
  static constexpr bool kNeedsTeacher = true;
  double lambda, temperature;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double, const math::CostWorkspace& workspace,
                                    double* gradient, const Lanes& lanes) const {
    const int n = row.classes;
    const double *log_f = row.log_f, *f = row.f, *t = row.teacher;
    if (temperature != 1) {
      double *soft = workspace.values, *log_soft = soft + n, *target = log_soft + n;
      for (int j = lanes.first(); j < n; j += lanes.step()) target[j] = row.z[j] / temperature;
      lanes.sync();
      math::log_softmax(n, target, log_soft, soft, lanes);
      double sum = 0;
      for (int j = lanes.first(); j < n; j += lanes.step()) {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a row of this cost has a teacher
        target[j] = t[j] > 0 ? std::pow(t[j], 1 / temperature) : 0.0;
        sum += target[j];
      }
      sum = lanes.sum(sum);
      for (int j = lanes.first(); j < n; j += lanes.step()) target[j] /= sum;
      log_f = log_soft;
      f = soft;
      t = target;
    }
    const double loss = math::cross_entropy(row, gradient, lanes);
    double divergence = 0;
    for (int j = lanes.first(); j < n; j += lanes.step()) {
      // A class to which the teacher gives nothing adds 0 log 0 = 0.
      // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as above
      if (t[j] > 0) divergence += t[j] * (std::log(t[j]) - log_f[j]);
      gradient[j] = (1 - lambda) * gradient[j] + lambda * (temperature * (f[j] - t[j]));
    }
    return (1 - lambda) * loss + lambda * (temperature * temperature * lanes.sum(divergence));
  }
};

DistillFormula distill_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
