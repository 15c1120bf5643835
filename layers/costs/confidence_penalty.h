// [confidence_penalty]: cross entropy minus entropy, a patriarch that is tolerant towards all classes alike.
//   L = CE(y, f) - beta H(f), H(f) = -sum f log f;  dL/dz_j = f_j - y_j + beta f_j (log f_j - sum_i f_i log f_i)
// Source: Pereyra et al.: Regularizing Neural Networks by Penalizing Confident Output Distributions, 2017.
//   beta  0.1  at least 0
// It equals plain [softmax] bit for bit at beta = 0. Shapes, sign and numerics: layers/costs/cost_op.h.
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

struct ConfidencePenaltyFormula {
  static constexpr bool kNeedsTeacher = false;
  double beta;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double, const math::CostWorkspace&, double* gradient,
                                    const Lanes& lanes) const {
    const double loss = math::cross_entropy(row, gradient, lanes);
    double negative_entropy = 0;
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) negative_entropy += row.f[j] * row.log_f[j];
    negative_entropy = lanes.sum(negative_entropy);
    for (int j = lanes.first(); j < row.classes; j += lanes.step())
      gradient[j] += beta * (row.f[j] * (row.log_f[j] - negative_entropy));
    return loss + beta * negative_entropy;
  }
};

ConfidencePenaltyFormula confidence_penalty_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
