// Activations whose gradient follows from their output, as Darknet computes them: one formula for CPU and CUDA.
#pragma once

#include <cmath>
#include <string>

#include "base/host_device.h"

namespace dng::math {

enum class Activation { kLinear, kRelu, kLeaky, kLogistic, kTanh, kElu, kRelu6 };
// False for those without a formula here: Darknet's kernels compute them.
bool find_activation(const std::string& name, Activation* activation);

// f(x). Comparisons are written so that NaN stays NaN and is noticed.
DNG_HOST_DEVICE inline float activate(float x, Activation activation) {
  switch (activation) {
    case Activation::kLogistic:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kElu:
      return x >= 0 ? x : std::exp(x) - 1;
    case Activation::kRelu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case Activation::kRelu:
      return x < 0 ? 0 : x;
    case Activation::kLeaky:
      return x > 0 ? x : 0.1f * x;
    case Activation::kLinear:
      break;
  }
  return x;
}

// f'(x), from y = f(x).
DNG_HOST_DEVICE inline float activation_gradient(float y, Activation activation) {
  switch (activation) {
    case Activation::kLogistic:
      return (1 - y) * y;
    case Activation::kTanh:
      return 1 - y * y;
    case Activation::kElu:
      return y >= 0 ? 1 : y + 1;
    case Activation::kRelu6:
      return y > 0 && y < 6 ? 1 : 0;
    case Activation::kRelu:
      return y > 0 ? 1 : 0;
    case Activation::kLeaky:
      return y > 0 ? 1 : 0.1f;
    case Activation::kLinear:
      break;
  }
  return 1;
}

}  // namespace dng::math
