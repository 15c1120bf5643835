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
  const double* teacher;          // null unless the cost asks for one
  double smoothing = 0;           // share of the label that the other classes get, all alike
  const LabelMix* mix = nullptr;  // of a mixed image; `label` is then the class with the largest weight
};

// Memory for one sample.
struct CostWorkspace {
  static constexpr size_t kValuesPerClass = 3;
  double* values;       // [kValuesPerClass C]
  unsigned char* rank;  // [C]
};

// Cross entropy with the label: L = -log f_y, dL/dz_j = f_j - y_j. With a soft label L = -sum y log f: with smoothing
// e > 0, y = 1 - e for the label and e / (C - 1) for every other class; of a mixed image the mean of such labels.
template <class Lanes = OneLane>
DNG_HOST_DEVICE double cross_entropy(const CostRow& row, double* gradient, const Lanes& lanes = {}) {
  const double most = 1 - row.smoothing, share = row.smoothing / (row.classes - 1);
  const LabelMix* mix = row.mix;
  const bool soft = row.smoothing > 0 || mix != nullptr;
  double loss = 0;
  for (int j = lanes.first(); j < row.classes; j += lanes.step()) {
    double y = mix != nullptr ? 0 : j == row.label ? most : share;
    for (int k = 0; mix != nullptr && k < LabelMix::kMax; ++k) {
      y += mix->weights[k] * (j == mix->classes[k] ? most : share);
    }
    gradient[j] = row.f[j] - y;
    if (soft) loss -= y * row.log_f[j];
  }
  return soft ? lanes.sum(loss) : -row.log_f[row.label];
}

}  // namespace dng::math
