// [softmax]: plain cross entropy, L = -log f_y with f = softmax(z / temperature); gradient f - y. Source: Darknet's own
// layer, whose loss this is for one-hot labels. Shapes, sign and numerics: layers/costs/cost_op.h.
//   groups          1  Darknet writes it; only 1 is a classifier
//   temperature     1  above 0; as in Darknet the gradient lacks its factor 1 / temperature
//   noloss          0  1: a [cost] behind it must give the gradient
//   gradient_scale  1  at least 0; the gradient times this, the loss as it is
// gradient_scale is what a [cost] behind [softmax] does in Darknet: it adds scale (f - y) to the gradient, so it is 2
// for a plain [cost]. The update adds decay to the gradient, so s instead of 1 trains as s times the learning rate and
// decay / s.
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

struct SoftmaxFormula {
  static constexpr bool kNeedsTeacher = false;
  double gradient_scale = 1;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double, const math::CostWorkspace&, double* gradient,
                                    const Lanes& lanes) const {
    const double loss = math::cross_entropy(row, gradient, lanes);
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) gradient[j] *= gradient_scale;
    return loss;
  }
};

SoftmaxFormula softmax_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
