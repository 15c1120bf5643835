// Batch norm of one channel, once for CPU and CUDA, from sums over its N values:
//   training    y = f((x - mean) * factor + bias), factor = scale / divisor(v), with the batch's mean and its unbiased
//               variance v
//   evaluation  the same with the rolling statistics; divisor(v) is Darknet's, see host::BatchNormRules
// The rolling statistics move by max(Darknet's rate, 1 / (steps + 1)) of each batch.
// Backward is Darknet's formula: 1 / sqrt(v + 1e-5), and sums divided by N rather than N - 1, which differs from the
// exact derivative by O(1/N). With d the gradient in f's argument:
//   dx = d * direct + (x - mean) * slope + constant
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"
#include "math/batchnorm_rules.h"

namespace dng::math {

// The share of a batch in the rolling statistics, after `steps` training passes.
DNG_HOST_DEVICE inline double batchnorm_rate(double darknet_rate, int64_t steps) {
  const double mean_so_far = 1.0 / static_cast<double>(steps + 1);
  return darknet_rate > mean_so_far ? darknet_rate : mean_so_far;
}

DNG_HOST_DEVICE inline float batchnorm_rolled(float before, double rate, float batch) {
  return static_cast<float>((1 - rate) * before + rate * batch);
}

DNG_HOST_DEVICE inline double batchnorm_factor(const host::BatchNormRules& rules, double scale, double variance) {
  return scale / rules.divisor(variance);
}

struct BatchNormGradient {
  float bias, scale;              // what is added to their updates
  float direct, slope, constant;  // of dx
};

// sum: of d; product: of d * (x - mean); count: N.
DNG_HOST_DEVICE inline BatchNormGradient batchnorm_gradient(const host::BatchNormRules& rules, double scale,
                                                            double variance, double sum, double product, double count) {
  const double inverse = 1.0 / std::sqrt(variance + rules.backward_epsilon);
  const double direct = rules.direct_outside ? 1.0 / (std::sqrt(variance) + rules.backward_epsilon) : inverse;
  BatchNormGradient g;
  g.bias = static_cast<float>(sum);
  g.scale = static_cast<float>(product / rules.divisor(variance));
  g.direct = static_cast<float>(scale * direct);
  g.slope = static_cast<float>(-scale * product * inverse * inverse * inverse / count);
  g.constant = static_cast<float>(-scale * sum * inverse / count);
  return g;
}

}  // namespace dng::math
