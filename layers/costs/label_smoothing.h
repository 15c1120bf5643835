// [label_smoothing]: cross entropy with smoothed labels, a patriarch that is tolerant towards all classes alike.
//   q = (1 - epsilon) y + epsilon / C;  L = CE(q, f);  dL/dz = f - q
// With class weights w: L = -sum w q log f, dL/dz_j = f_j sum_i w_i q_i - w_j q_j, as PyTorch has it.
// Source: Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
//   epsilon  0.1  0..1, 1 excluded
// It equals plain [softmax] bit for bit at epsilon = 0. Shapes, sign and numerics: layers/costs/cost_op.h.
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

struct LabelSmoothingFormula {
  static constexpr bool kNeedsTeacher = false;
  double epsilon;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double, const math::CostWorkspace&, double* gradient,
                                    const Lanes& lanes) const {
    const double loss = math::cross_entropy(row, gradient, lanes);
    double sum = 0, mean_weight = 0;
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
      sum += row.class_weight(j) * row.log_f[j];
      mean_weight += row.class_weight(j);
    }
    sum = lanes.sum(sum);
    mean_weight = lanes.sum(mean_weight) / row.classes;
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
      // f - q = (1 - epsilon) (f - y) + epsilon (f - 1 / C)
      gradient[j] =
          (1 - epsilon) * gradient[j] + epsilon * (row.f[j] * mean_weight - row.class_weight(j) / row.classes);
    }
    return (1 - epsilon) * loss + epsilon * (-sum / row.classes);
  }
};

LabelSmoothingFormula label_smoothing_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
