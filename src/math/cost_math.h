// The maths of the costs for one sample, once for CPU and CUDA: log-sum-exp, top-k, and each cost with its gradient.
//
//   z[C]    logits                     f = softmax(z), log f_j = z_j - log sum_i exp(z_i)
//   y       label, 0..C-1              t[C]  the teacher's probabilities
//
// Every function returns the loss of the sample and writes dL/dz (not Darknet's negated delta). Everything goes through
// log f, so logits of +-1e4 give finite losses and gradients: exp() only ever sees numbers <= 0.
#pragma once

#include <cmath>

#include "base/host_device.h"

namespace dng::math {

// Who works on a sample. On the CPU it is one thread: OneLane. On the GPU the lanes of a warp share the classes; each
// takes first(), first() + step(), ..., and all of them get the same sums (gpu/launch.h).
struct OneLane {
  DNG_HOST_DEVICE int first() const { return 0; }
  DNG_HOST_DEVICE int step() const { return 1; }
  template <class Real>
  DNG_HOST_DEVICE Real sum(Real mine) const {
    return mine;
  }
  template <class Real>
  DNG_HOST_DEVICE Real max(Real mine) const {
    return mine;
  }
  // The index of the largest value, of equal ones the lowest index; an index below zero does not count.
  template <class Real>
  DNG_HOST_DEVICE int best(int index, Real) const {
    return index;
  }
  // What one lane wrote before, all may read afterwards.
  DNG_HOST_DEVICE void meet() const {}
};

// log f and f. Needs n >= 1; finite logits.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE void log_softmax(int n, const Real* z, Real* log_f, Real* f, const Lanes& lanes = {}) {
  Real top = z[0];
  for (int i = lanes.first(); i < n; i += lanes.step()) top = z[i] > top ? z[i] : top;
  top = lanes.max(top);
  Real sum = 0;
  for (int i = lanes.first(); i < n; i += lanes.step()) sum += std::exp(z[i] - top);
  const Real log_sum = std::log(lanes.sum(sum));
  for (int i = lanes.first(); i < n; i += lanes.step()) {
    log_f[i] = (z[i] - top) - log_sum;
    f[i] = std::exp(log_f[i]);
  }
  lanes.meet();
}

// One sample's numbers, as every cost gets them.
template <class Real>
struct CostRow {
  int classes;
  const Real* z;
  const Real* log_f;
  const Real* f;
  int label;
  const Real* teacher;  // null unless the cost asks for one
};

// Cross entropy with the label: L = -log f_y, dL/dz_j = f_j - y_j.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE Real cross_entropy(const CostRow<Real>& row, Real* gradient, const Lanes& lanes = {}) {
  for (int j = lanes.first(); j < row.classes; j += lanes.step())
    gradient[j] = row.f[j] - (j == row.label ? Real(1) : Real(0));
  return -row.log_f[row.label];
}

// Marks the k - 1 largest logits besides `first` (ties: the lower index wins) in rank[]: rank[j] = 1 for them, 2 for
// `first`, 0 for the others. O(k C), and k is small.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE void mark_top(int n, const Real* z, int k, int first, unsigned char* rank, const Lanes& lanes = {}) {
  for (int j = lanes.first(); j < n; j += lanes.step()) rank[j] = 0;
  lanes.meet();
  rank[first] = 2;
  lanes.meet();
  for (int taken = 1; taken < k; ++taken) {
    int best = -1;
    for (int j = lanes.first(); j < n; j += lanes.step()) {
      if (rank[j] == 0 && (best < 0 || z[j] > z[best])) best = j;
    }
    best = lanes.best(best, best < 0 ? Real(0) : z[best]);
    rank[best] = 1;
    lanes.meet();
  }
}

template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE int arg_max(int n, const Real* z, const Lanes& lanes = {}) {
  int best = 0;
  for (int j = lanes.first(); j < n; j += lanes.step()) best = z[j] > z[best] ? j : best;
  return lanes.best(best, z[best]);
}

// Top-score difference (Yang et al., AAAI 2019):
//   L = eta CE(y, f) + (1 - eta) [f_a1 - 1/(k-1) sum_{i=2..k} f_ai]
// With the index set held constant, c_a1 = 1, c_a2..ak = -1/(k-1), other c = 0, and g = sum_i c_i f_i, the derivative
// of the bracket is sum_i c_i f_i ([i = j] - f_j) = f_j (c_j - g), so
//   dL/dz_j = eta (f_j - y_j) + (1 - eta) f_j (c_j - g).
// a1 is the largest logit, or the label where primary_is_label; `rank` is scratch of C bytes.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE Real top_score_difference(const CostRow<Real>& row, Real eta, int k, bool primary_is_label,
                                          unsigned char* rank, Real* gradient, const Lanes& lanes = {}) {
  const int primary = primary_is_label ? row.label : arg_max(row.classes, row.z, lanes);
  mark_top(row.classes, row.z, k, primary, rank, lanes);
  const Real share = Real(-1) / Real(k - 1);
  Real others = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) others += rank[j] == 1 ? row.f[j] : Real(0);
  const Real gap = row.f[primary] + share * lanes.sum(others);
  const Real loss = cross_entropy(row, gradient, lanes);
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
    const Real c = rank[j] == 2 ? Real(1) : rank[j] == 1 ? share : Real(0);
    gradient[j] = eta * gradient[j] + (1 - eta) * (row.f[j] * (c - gap));
  }
  return eta * loss + (1 - eta) * gap;
}

// Distillation: L = (1 - lambda) CE(y, f) + lambda T^2 KL[t_T || f_T], with f_T = softmax(z / T) and t_T the teacher's
// probabilities raised to 1/T and normalised. KL's derivative in z / T is f_T - t_T, hence
//   dL/dz_j = (1 - lambda) (f_j - y_j) + lambda T (f_T,j - t_T,j).
// A class to which the teacher gives nothing adds 0 log 0 = 0. `scratch` is 3 C numbers.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE Real distillation(const CostRow<Real>& row, Real lambda, Real temperature, Real* scratch,
                                  Real* gradient, const Lanes& lanes = {}) {
  const int n = row.classes;
  const Real* log_f = row.log_f;
  const Real* f = row.f;
  const Real* t = row.teacher;
  if (temperature != Real(1)) {
    Real* soft = scratch;
    Real* log_soft = scratch + n;
    Real* target = scratch + 2 * n;
    for (int j = lanes.first(); j < n; j += lanes.step()) target[j] = row.z[j] / temperature;
    lanes.meet();
    log_softmax(n, target, log_soft, soft, lanes);
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
  const Real loss = cross_entropy(row, gradient, lanes);
  Real divergence = 0;
  for (int j = lanes.first(); j < n; j += lanes.step()) {
    if (t[j] > 0) divergence += t[j] * (std::log(t[j]) - log_f[j]);
    gradient[j] = (1 - lambda) * gradient[j] + lambda * (temperature * (f[j] - t[j]));
  }
  return (1 - lambda) * loss + lambda * (temperature * temperature * lanes.sum(divergence));
}

// Label smoothing (Szegedy et al., 2016): L = CE(q, f) with q = (1 - epsilon) y + epsilon / C; dL/dz = f - q.
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE Real label_smoothing(const CostRow<Real>& row, Real epsilon, Real* gradient, const Lanes& lanes = {}) {
  const Real loss = cross_entropy(row, gradient, lanes);
  Real sum = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) sum += row.log_f[j];
  sum = lanes.sum(sum);
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
    // f - q = (1 - epsilon) (f - y) + epsilon (f - 1 / C)
    gradient[j] = (1 - epsilon) * gradient[j] + epsilon * (row.f[j] - Real(1) / Real(row.classes));
  }
  return (1 - epsilon) * loss + epsilon * (-sum / Real(row.classes));
}

// Confidence penalty (Pereyra et al., 2017): L = CE(y, f) - beta H(f), H(f) = -sum f log f;
// dL/dz_j = f_j - y_j + beta f_j (log f_j - sum_i f_i log f_i).
template <class Real, class Lanes = OneLane>
DNG_HOST_DEVICE Real confidence_penalty(const CostRow<Real>& row, Real beta, Real* gradient, const Lanes& lanes = {}) {
  const Real loss = cross_entropy(row, gradient, lanes);
  Real negative_entropy = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) negative_entropy += row.f[j] * row.log_f[j];
  negative_entropy = lanes.sum(negative_entropy);
  for (int j = lanes.first(); j < row.classes; j += lanes.step())
    gradient[j] += beta * (row.f[j] * (row.log_f[j] - negative_entropy));
  return loss + beta * negative_entropy;
}

}  // namespace dng::math
