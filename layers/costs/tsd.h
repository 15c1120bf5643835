// clang-format off
// [tsd]: the tolerant patriarch's cost, cross entropy plus top-score difference.
//   L = eta CE(y, f) + (1 - eta) [f_a1 - 1/(k-1) sum_{i=2..k} f_ai]
//   dL/dz_j = eta (f_j - y_j) + (1 - eta) f_j (c_j - g)
// a1..ak are the k largest outputs (ties: the lower index), held constant in the derivative: with c_a1 = 1,
// c_a2..ak = -1/(k-1), other c = 0, and g = sum_i c_i f_i, the derivative of the bracket is
// sum_i c_i f_i ([i = j] - f_j) = f_j (c_j - g).
// Source: Yang, Xie, Qiao, Yuille: Training Deep Neural Networks in Generations, AAAI 2019.
//
//   eta            0..1             literal weight of the cross entropy, or
//   confidence     above 1/k, to 1  wanted on the primary class: eta = u k / (k - 1 + u k), and u = 1 is eta = 1
//   k              5, from 2 to C   scores compared, the primary one included
//   primary        top | truth      a1 is the largest output, or the label (then a2..ak: the largest of the others)
//   warmup_epochs  0                eta falls linearly from 1 to its value over these epochs
//
// The literal optimum puts min(1, eta (k-1) / ((1-eta) k)) on the primary class; the confidence inverts that. It equals
// plain [softmax] bit for bit at eta = 1. With primary=top the optimum has a kink at 1/k for eta below 1/k.
// Shapes, sign and numerics: layers/costs/cost_op.h.
// clang-format on
#pragma once

#include "graph/op.h"
#include "math/cost_row.h"

namespace dng::layers {

// Marks the k - 1 largest logits besides `first` (ties: the lower index wins) in rank[]: rank[j] = 1 for them, 2 for
// `first`, 0 for the others. O(k C), and k is small.
template <class Lanes = math::OneLane>
DNG_HOST_DEVICE void mark_top(int n, const double* z, int k, int first, unsigned char* rank, const Lanes& lanes = {}) {
  for (int j = lanes.first(); j < n; j += lanes.step()) rank[j] = 0;
  lanes.sync();
  rank[first] = 2;
  lanes.sync();
  for (int taken = 1; taken < k; ++taken) {
    int best = -1;
    for (int j = lanes.first(); j < n; j += lanes.step()) {
      if (rank[j] == 0 && (best < 0 || z[j] > z[best])) best = j;
    }
    best = lanes.best(best, best < 0 ? 0.0 : z[best]);
    rank[best] = 1;
    lanes.sync();
  }
}

template <class Lanes = math::OneLane>
DNG_HOST_DEVICE int arg_max(int n, const double* z, const Lanes& lanes = {}) {
  int best = 0;
  for (int j = lanes.first(); j < n; j += lanes.step()) best = z[j] > z[best] ? j : best;
  return lanes.best(best, z[best]);
}

struct TsdFormula {
  static constexpr bool kNeedsTeacher = false;
  double eta, warmup;  // epochs over which eta falls from 1 to its value
  int k;
  bool primary_is_label;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const math::CostRow& row, double epoch, const math::CostWorkspace& workspace,
                                    double* gradient, const Lanes& lanes) const {
    const double now = warmup > 0 && epoch < warmup ? 1 + (eta - 1) * (epoch / warmup) : eta;
    const unsigned char* rank = workspace.rank;
    const int primary = primary_is_label ? row.label : arg_max(row.classes, row.z, lanes);
    mark_top(row.classes, row.z, k, primary, workspace.rank, lanes);
    const double share = -1.0 / (k - 1);
    double others = 0;
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) others += rank[j] == 1 ? row.f[j] : 0.0;
    const double gap = row.f[primary] + share * lanes.sum(others);
    const double loss = math::cross_entropy(row, gradient, lanes);
    for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
      const double c = rank[j] == 2 ? 1.0 : rank[j] == 1 ? share : 0.0;
      gradient[j] = now * gradient[j] + (1 - now) * (row.f[j] * (c - gap));
    }
    return now * loss + (1 - now) * gap;
  }
};

TsdFormula tsd_formula(const graph::LayerConfig& layer);

// eta for a wanted confidence u on the primary class; u in (1/k, 1], and u = 1 gives 1.
double eta_of_confidence(double confidence, int k);

}  // namespace dng::layers
