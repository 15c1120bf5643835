// The update of one parameter value, once for CPU and CUDA; formulas in train/sgd.h.
#pragma once

#include "base/host_device.h"

namespace dng::math {

struct SgdRates {
  float factor, pull, momentum;
};

// `decay` is zero for what does not decay.
DNG_HOST_DEVICE inline SgdRates sgd_rates(float rate, float rate_factor, int batch, float decay, float momentum) {
  return {rate * rate_factor / static_cast<float>(batch), decay * static_cast<float>(batch), momentum};
}

// update: in, the momentum plus the negative gradients; out, the momentum.
DNG_HOST_DEVICE inline void plain_sgd(const SgdRates& rates, float* value, float* update) {
  const float v = *update - rates.pull * *value;
  *value += rates.factor * v;
  *update = rates.momentum * v;
}

// before: the momentum, without the gradients.
DNG_HOST_DEVICE inline void nesterov_sgd(const SgdRates& rates, float before, float* value, float* update) {
  const float v = *update - rates.pull * *value;
  *value += rates.factor * ((1 + rates.momentum) * v - before);
  *update = rates.momentum * v;
}

}  // namespace dng::math
