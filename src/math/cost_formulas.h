// The costs with what their options amount to, once for CPU and CUDA; the maths is in cost_math.h. Each is made from
// its section by a function in the layer's header.
#pragma once

#include "math/cost_math.h"

namespace dng::math {

// Memory for one sample.
struct CostScratch {
  double* numbers;      // [3 C]
  unsigned char* rank;  // [C]
};

struct SoftmaxFormula {
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const CostRow<double>& row, double, const CostScratch&, double* gradient,
                                    const Lanes& lanes) const {
    return cross_entropy(row, gradient, lanes);
  }
};

struct TsdFormula {
  double eta, warmup;  // epochs over which eta falls from 1 to its value
  int k;
  bool truth;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const CostRow<double>& row, double epoch, const CostScratch& scratch,
                                    double* gradient, const Lanes& lanes) const {
    const double now = warmup > 0 && epoch < warmup ? 1 + (eta - 1) * (epoch / warmup) : eta;
    return top_score_difference(row, now, k, truth, scratch.rank, gradient, lanes);
  }
};

struct DistillFormula {
  double lambda, temperature;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const CostRow<double>& row, double, const CostScratch& scratch, double* gradient,
                                    const Lanes& lanes) const {
    return distillation(row, lambda, temperature, scratch.numbers, gradient, lanes);
  }
};

struct LabelSmoothingFormula {
  double epsilon;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const CostRow<double>& row, double, const CostScratch&, double* gradient,
                                    const Lanes& lanes) const {
    return label_smoothing(row, epsilon, gradient, lanes);
  }
};

struct ConfidencePenaltyFormula {
  double beta;
  template <class Lanes>
  DNG_HOST_DEVICE double operator()(const CostRow<double>& row, double, const CostScratch&, double* gradient,
                                    const Lanes& lanes) const {
    return confidence_penalty(row, beta, gradient, lanes);
  }
};

}  // namespace dng::math
