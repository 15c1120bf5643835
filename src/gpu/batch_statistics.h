// The batch statistics of batch norm, forward and backward: where their sums go, and what follows from them. Formulas
// in math/batchnorm_formulas.h. A convolution may compute the sums of what it writes.
#pragma once

#include "gpu/step_input.h"
#include "math/activation.h"
#include "math/batchnorm_formulas.h"

namespace dng::gpu {

// Mean and variance.
struct BatchStatistics {
  float *mean, *variance, *factor;  // of the batch, for each channel
  const float* scale;
  float *rolling_mean, *rolling_variance;
  const StepInput* step;
  host::BatchNormRules rules;
  float darknet_rate;
  double count;  // values of a channel
  SumsWorkspace sums;

  // a, b: the sums of the values less the pivot, and of their squares.
  DNG_HOST_DEVICE void finish(int channel, double pivot, double a, double b) const {
    // Written so that NaN stays NaN and is noticed.
    const double squares = b - a * a / count;
    const auto batch_mean = static_cast<float>(pivot + a / count);
    const auto batch_variance = static_cast<float>(squares < 0 ? 0 : squares / (count - 1));
    const double rate = math::batchnorm_rate(static_cast<double>(darknet_rate), step->steps);
    mean[channel] = batch_mean;
    variance[channel] = batch_variance;
    factor[channel] = static_cast<float>(
        math::batchnorm_factor(rules, static_cast<double>(scale[channel]), static_cast<double>(batch_variance)));
    rolling_mean[channel] = math::batchnorm_rolled(rolling_mean[channel], rate, batch_mean);
    rolling_variance[channel] = math::batchnorm_rolled(rolling_variance[channel], rate, batch_variance);
  }
};

// The sums of d = f' * delta, and of d * (x - mean).
struct GradientStatistics {
  const void* x;  // what is normalised
  const float *mean, *factor, *bias;
  math::Activation activation;  // f, of (x - mean) * factor + bias
  const float *scale, *variance;
  float *scale_gradient, *bias_gradient;
  float *direct, *slope, *constant;
  host::BatchNormRules rules;
  double count;
  SumsWorkspace sums;

  DNG_HOST_DEVICE void finish(int channel, double a, double b) const {
    const math::BatchNormGradient g = math::batchnorm_gradient(rules, static_cast<double>(scale[channel]),
                                                               static_cast<double>(variance[channel]), a, b, count);
    bias_gradient[channel] += g.bias;
    scale_gradient[channel] += g.scale;
    direct[channel] = g.direct;
    slope[channel] = g.slope;
    constant[channel] = g.constant;
  }
};

}  // namespace dng::gpu
