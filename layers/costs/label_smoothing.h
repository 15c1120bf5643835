// [label_smoothing]: cross entropy with smoothed labels, a patriarch that is tolerant towards all classes alike.
//   q = (1 - epsilon) y + epsilon / C;  L = CE(q, f);  dL/dz = f - q
// Source: Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
//   epsilon  0.1  0..1, 1 excluded
// It equals plain [softmax] bit for bit at epsilon = 0. Shapes, sign and numerics: layers/costs/cost_op.h.
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

// Label smoothing (Szegedy et al., 2016): L = CE(q, f) with q = (1 - epsilon) y + epsilon / C; dL/dz = f - q.
template <class Real, class Lanes = math::OneLane>
DNG_HOST_DEVICE Real label_smoothing(const math::CostRow<Real>& row, Real epsilon, Real* gradient,
                                     const Lanes& lanes = {}) {
  const Real loss = math::cross_entropy(row, gradient, lanes);
  Real sum = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) sum += row.log_f[j];
  sum = lanes.sum(sum);
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
    // f - q = (1 - epsilon) (f - y) + epsilon (f - 1 / C)
    gradient[j] = (1 - epsilon) * gradient[j] + epsilon * (row.f[j] - Real(1) / Real(row.classes));
  }
  return (1 - epsilon) * loss + epsilon * (-sum / Real(row.classes));
}

// What the options amount to.
struct LabelSmoothingFormula {
  static constexpr bool kNeedsTeacher = false;
  double epsilon;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow<double>& row, double, const math::CostWorkspace&,
                                    double* gradient, const Lanes& lanes) const {
    return label_smoothing(row, epsilon, gradient, lanes);
  }
};

graph::Op label_smoothing_op();
LabelSmoothingFormula label_smoothing_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
