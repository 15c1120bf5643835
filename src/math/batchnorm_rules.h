// How a Darknet normalises: forward (x - mean) / divisor(variance) * scale + bias; the variance is the unbiased one.
#pragma once

#include <cmath>

#include "base/host_device.h"

namespace dng::host {

struct BatchNormRules {
  bool epsilon_inside = false;  // sqrt(v + epsilon), else sqrt(v) + epsilon
  float forward_epsilon = 0;
  float backward_epsilon = 0;   // sqrt(v + epsilon)
  bool direct_outside = false;  // the direct term of the gradient has sqrt(v) + backward_epsilon instead
  float rolling_rate = 0;       // share of the new batch in the rolling statistics
  float rolling_rate_connected = 0;

  DNG_HOST_DEVICE double divisor(double variance) const {
    return epsilon_inside ? std::sqrt(variance + forward_epsilon) : std::sqrt(variance) + forward_epsilon;
  }
};

}  // namespace dng::host
