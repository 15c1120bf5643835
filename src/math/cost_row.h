// One sample as the costs get it, once for CPU and CUDA: softmax by log-sum-exp, and cross entropy with its gradient.
//
//   z[C]    logits                     f = softmax(z), log f_j = z_j - log sum_i exp(z_i)
//   y       label, 0..C-1              t[C]  the teacher's probabilities
//
// The costs are in layers/costs/. Each returns the loss of the sample and writes dL/dz (not Darknet's negated delta).
// Everything goes through log f, so logits of +-1e4 give finite losses and gradients: no argument of exp() is above 0.
#pragma once

#include <cmath>
#include <cstddef>

#include "base/host_device.h"
#include "base/label_mix.h"

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
  DNG_HOST_DEVICE void sync() const {}
};

// log f and f. Needs n >= 1; finite logits.
template <class Lanes = OneLane>
DNG_HOST_DEVICE void log_softmax(int n, const double* z, double* log_f, double* f, const Lanes& lanes = {}) {
  double top = z[0];
  for (int i = lanes.first(); i < n; i += lanes.step()) top = z[i] > top ? z[i] : top;
  top = lanes.max(top);
  double sum = 0;
  for (int i = lanes.first(); i < n; i += lanes.step()) sum += std::exp(z[i] - top);
  const double log_sum = std::log(lanes.sum(sum));
  for (int i = lanes.first(); i < n; i += lanes.step()) {
    log_f[i] = (z[i] - top) - log_sum;
    f[i] = std::exp(log_f[i]);
  }
  lanes.sync();
}

// One sample, as every cost gets it.
struct CostRow {
  int classes;
  const double *z, *log_f, *f;
  int label;
  const double* teacher;                 // null unless the cost asks for one
  double smoothing = 0;                  // share of the label that the other classes get, all alike
  const LabelMix* mix = nullptr;         // of a mixed image; `label` is then the class with the largest weight
  const float* class_weights = nullptr;  // [C], class_weights= of the .data file; null: 1 for every class

  DNG_HOST_DEVICE double class_weight(int j) const {
    return class_weights != nullptr ? static_cast<double>(class_weights[j]) : 1.0;
  }
};

// Memory for one sample.
struct CostWorkspace {
  static constexpr size_t kValuesPerClass = 3;
  double* values;       // [kValuesPerClass C]
  unsigned char* rank;  // [C]
};

// Cross entropy with the label: L = -log f_y, dL/dz_j = f_j - y_j. With a soft label L = -sum y log f: with smoothing
// e > 0, y = 1 - e for the label and e / (C - 1) for every other class; of a mixed image the mean of such labels.
//
// With class weights w: L = -sum_j w_j y_j log f_j, which is w_y (-log f_y) for a hard label, and
//   dL/dz_j = f_j sum_i w_i y_i - w_j y_j
// because d(log f_i)/dz_j = [i = j] - f_j. Over a batch it is PyTorch's CrossEntropyLoss(weight=w, reduction="sum"),
// without the division by the sum of the weights that its "mean" has: an image's gradient does not depend on which
// images share its batch. A cost has these weights wherever it has the label; what it adds is not weighted.
template <class Lanes = OneLane>
DNG_HOST_DEVICE double cross_entropy(const CostRow& row, double* gradient, const Lanes& lanes = {}) {
  const double most = 1 - row.smoothing, share = row.smoothing / (row.classes - 1);
  const LabelMix* mix = row.mix;
  const bool soft = row.smoothing > 0 || mix != nullptr;
  double loss = 0, total = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
    double y = mix != nullptr ? 0 : j == row.label ? most : share;
    for (int k = 0; mix != nullptr && k < LabelMix::kMax; ++k) {
      y += mix->weights[k] * (j == mix->classes[k] ? most : share);
    }
    y *= row.class_weight(j);
    total += y;
    gradient[j] = -y;
    if (soft) loss -= y * row.log_f[j];
  }
  // Exactly 1 without weights, however the soft label rounds.
  total = row.class_weights != nullptr ? lanes.sum(total) : 1.0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) gradient[j] += row.f[j] * total;
  return soft ? lanes.sum(loss) : row.class_weight(row.label) * -row.log_f[row.label];
}

}  // namespace dng::math
