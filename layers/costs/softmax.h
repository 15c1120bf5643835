// [softmax]: plain cross entropy, L = -log f_y; dL/dz = f - y. Source: Darknet's own layer, whose loss this is for
// one-hot labels. Shapes, sign and numerics: layers/costs/cost_op.h.
//   groups       1  Darknet writes it; only 1 is a classifier
//   temperature  1  only 1
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

struct SoftmaxFormula {
  static constexpr bool kNeedsTeacher = false;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double, const math::CostWorkspace&, double* gradient,
                                    const Lanes& lanes) const {
    return math::cross_entropy(row, gradient, lanes);
  }
};

inline SoftmaxFormula softmax_formula(const graph::LayerConfig&) { return {}; }

}  // namespace dng::layers
