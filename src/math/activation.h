// Activation functions as AlexeyAB's Darknet defines them: one formula for CPU and CUDA. Most gradients follow from the
// output y = f(x); those of swish, mish, hard_mish and gelu need the input x.
//   relie leaky with 0.01, hardtan x within -1 to 1, lhtan x within 0 to 1 and 0.001 of the rest, plse 0.5 + x / 8
//   within -4 to 4 and 0.01 of the rest, stair floor(x / 2) plus the fraction of x where floor(x) is odd swish x *
//   sigma(x), mish x * tanh(softplus(x)), gelu in its tanh form, hard_mish x for x > 0, x^2 / 2 + x above -2, else 0,
//   ramp x / 10 plus relu(x), loggy 2 * sigma(x) - 1
#pragma once

#include <cmath>
#include <map>
#include <string>

#include "base/host_device.h"

namespace dng::math {

enum class Activation {
  kLinear,
  kRelu,
  kLeaky,
  kLogistic,
  kTanh,
  kElu,
  kRelu6,
  kRamp,
  kLoggy,
  kSelu,
  kRelie,
  kPlse,
  kHardtan,
  kLhtan,
  kStair,
  kSwish,
  kMish,
  kHardMish,
  kGelu
};
// The name in cfgs of each.
const std::map<std::string, Activation>& activation_names();

constexpr float kSeluScale = 1.0507f, kSeluAlpha = 1.6732f;
constexpr float kGeluLinear = 0.797885f, kGeluCubic = 0.035677f;

DNG_HOST_DEVICE inline float gelu_argument(float x) { return kGeluLinear * x + kGeluCubic * x * x * x; }

// With e = exp(x) and n = e (e + 2): tanh(softplus(x)) = n / (n + 2), without cancellation; its derivative is
// 4 e (1 + e) / (n + 2)^2. From x = 20 on, mish is x in single precision.
struct MishTerms {
  float e, n;
  DNG_HOST_DEVICE explicit MishTerms(float x) : e(std::exp(x > 20 ? 20 : x)), n(e * (e + 2)) {}
  DNG_HOST_DEVICE float tanh() const { return n / (n + 2); }
  DNG_HOST_DEVICE float gradient(float x) const {
    return tanh() + (x > 20 ? 0 : x * 4 * e / (n + 2) * ((1 + e) / (n + 2)));
  }
};

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
    case Activation::kRamp:
      return (x > 0 ? x : x * 0) + 0.1f * x;
    case Activation::kLoggy:
      return 2 / (1 + std::exp(-x)) - 1;
    case Activation::kSelu:
      return x >= 0 ? kSeluScale * x : kSeluScale * kSeluAlpha * (std::exp(x) - 1);
    case Activation::kRelie:
      return x > 0 ? x : 0.01f * x;
    case Activation::kPlse:
      return x < -4 ? 0.01f * (x + 4) : x > 4 ? 0.01f * (x - 4) + 1 : 0.125f * x + 0.5f;
    case Activation::kHardtan:
      return x < -1 ? -1 : x > 1 ? 1 : x;
    case Activation::kLhtan:
      return x < 0 ? 0.001f * x : x > 1 ? 0.001f * (x - 1) + 1 : x;
    case Activation::kStair: {
      const float whole = std::floor(x), half = std::floor(x / 2);
      return 2 * half == whole ? half : half + (x - whole);
    }
    case Activation::kSwish:
      return x / (1 + std::exp(-x));
    case Activation::kMish:
      return x * MishTerms(x).tanh();
    case Activation::kHardMish:
      return x > 0 ? x : x > -2 ? x * x / 2 + x : x * 0;
    case Activation::kGelu:
      return x / (1 + std::exp(-2 * gelu_argument(x)));
    case Activation::kLinear:
      break;
  }
  return x;
}

// Whether the gradient is computed from the input of f instead of its output.
DNG_HOST_DEVICE inline bool gradient_reads_input(Activation activation) {
  return activation == Activation::kSwish || activation == Activation::kMish || activation == Activation::kHardMish ||
         activation == Activation::kGelu;
}

// f'(x), from y = f(x); from y = x where gradient_reads_input().
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
    case Activation::kRamp:
      return y > 0 ? 1.1f : 0.1f;
    case Activation::kLoggy:
      return (1 - y * y) / 2;
    case Activation::kSelu:
      return y >= 0 ? kSeluScale : y + kSeluScale * kSeluAlpha;
    case Activation::kRelie:
      return y > 0 ? 1 : 0.01f;
    case Activation::kPlse:
      return y < 0 || y > 1 ? 0.01f : 0.125f;
    case Activation::kHardtan:
      return y > -1 && y < 1 ? 1 : 0;
    case Activation::kLhtan:
      return y > 0 && y < 1 ? 1 : 0.001f;
    case Activation::kStair:
      return y == std::floor(y) ? 0 : 1;
    case Activation::kSwish: {
      const float sigma = 1 / (1 + std::exp(-y));
      return sigma * (1 + y * (1 - sigma));
    }
    case Activation::kMish:
      return MishTerms(y).gradient(y);
    case Activation::kHardMish:
      return y > 0 ? 1 : y > -2 ? y + 1 : 0;
    case Activation::kGelu: {
      const float sigma = 1 / (1 + std::exp(-2 * gelu_argument(y)));
      return sigma * (1 + 2 * y * (1 - sigma) * (kGeluLinear + 3 * kGeluCubic * y * y));
    }
    case Activation::kLinear:
      break;
  }
  return 1;
}

// f'(x), from x whatever the activation.
DNG_HOST_DEVICE inline float activation_gradient_at(float x, Activation activation) {
  return activation_gradient(gradient_reads_input(activation) ? x : activate(x, activation), activation);
}

}  // namespace dng::math
