#include "engine/cpu/row_math.h"

#include <cmath>
#include <map>

#include "base/simd.h"
#include "engine/layout.h"

namespace dng {
namespace {

// Visits i in steps of a whole vector, then the rest, so that the inner loop has a constant length.
#define DNG_FOR_LANES(n, body)                             \
  size_t i = 0;                                            \
  for (; i + kLanes <= (n); i += kLanes) {                 \
    for (int l = 0; l < kLanes; ++l) {                     \
      body                                                 \
    }                                                      \
  }                                                        \
  for (int l = 0; i + static_cast<size_t>(l) < (n); ++l) { \
    body                                                   \
  }

DNG_SIMD_CLONES void affine(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                            float* y){DNG_FOR_LANES(n, { y[i + l] = (x[i + l] - mean[l]) * factor[l] + shift[l]; })}

DNG_SIMD_CLONES
    void affine_relu(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                     float* y){DNG_FOR_LANES(n,
                                             {
                                               const float value = (x[i + l] - mean[l]) * factor[l] + shift[l];
                                               // Written so that NaN stays NaN and is noticed.
                                               y[i + l] = value < 0 ? 0 : value;
                                             })}

DNG_SIMD_CLONES
    void affine_leaky(const float* x, size_t n, const float* mean, const float* factor, const float* shift, float* y) {
  DNG_FOR_LANES(n, {
    const float value = (x[i + l] - mean[l]) * factor[l] + shift[l];
    y[i + l] = value > 0 ? value : 0.1f * value;
  })
}

float activate(float x, Activation activation) {
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

float gradient(float y, Activation activation) {
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

DNG_SIMD_CLONES void relu_gradient(const float* y, size_t n, float* delta) {
  for (size_t i = 0; i < n; ++i) delta[i] = y[i] > 0 ? delta[i] : 0;
}

DNG_SIMD_CLONES void leaky_gradient(const float* y, size_t n, float* delta) {
  for (size_t i = 0; i < n; ++i) delta[i] *= y[i] > 0 ? 1.0f : 0.1f;
}

DNG_SIMD_CLONES void add(const float* a, const float* b, size_t n, float* y) {
  for (size_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

DNG_SIMD_CLONES void add_relu(const float* a, const float* b, size_t n, float* y) {
  for (size_t i = 0; i < n; ++i) {
    const float value = a[i] + b[i];
    y[i] = value < 0 ? 0 : value;
  }
}

}  // namespace

bool find_activation(const std::string& name, Activation* activation) {
  static const std::map<std::string, Activation> known = {
      {"linear", Activation::kLinear},     {"relu", Activation::kRelu}, {"leaky", Activation::kLeaky},
      {"logistic", Activation::kLogistic}, {"tanh", Activation::kTanh}, {"elu", Activation::kElu},
      {"relu6", Activation::kRelu6}};
  const auto found = known.find(name);
  if (found == known.end()) return false;
  *activation = found->second;
  return true;
}

DNG_SIMD_CLONES void row_sum(const float* x, size_t n, float* acc){DNG_FOR_LANES(n, { acc[l] += x[i + l]; })}

DNG_SIMD_CLONES void row_squares(const float* x, size_t n, const float* mean, float* acc) {
  DNG_FOR_LANES(n, {
    const float d = x[i + l] - mean[l];
    acc[l] += d * d;
  })
}

void row_affine(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                Activation activation, float* y) {
  if (activation == Activation::kRelu) return affine_relu(x, n, mean, factor, shift, y);
  if (activation == Activation::kLeaky) return affine_leaky(x, n, mean, factor, shift, y);
  affine(x, n, mean, factor, shift, y);
  if (activation == Activation::kLinear) return;
  for (size_t i = 0; i < n; ++i) y[i] = activate(y[i], activation);
}

void row_activation_gradient(const float* y, size_t n, Activation activation, float* delta) {
  if (activation == Activation::kLinear) return;
  if (activation == Activation::kRelu) return relu_gradient(y, n, delta);
  if (activation == Activation::kLeaky) return leaky_gradient(y, n, delta);
  for (size_t i = 0; i < n; ++i) delta[i] *= gradient(y[i], activation);
}

DNG_SIMD_CLONES void row_gradient_sums(const float* delta, const float* x, size_t n, const float* mean, float* sum,
                                       float* product){DNG_FOR_LANES(n,
                                                                     {
                                                                       sum[l] += delta[i + l];
                                                                       product[l] +=
                                                                           delta[i + l] * (x[i + l] - mean[l]);
                                                                     })}

DNG_SIMD_CLONES void row_normalise_gradient(float* delta, const float* x, size_t n, const float* mean,
                                            const float* direct, const float* slope, const float* constant) {
  DNG_FOR_LANES(n, { delta[i + l] = delta[i + l] * direct[l] + (x[i + l] - mean[l]) * slope[l] + constant[l]; })
}

void row_add(const float* a, const float* b, size_t n, Activation activation, float* y) {
  if (activation == Activation::kRelu) return add_relu(a, b, n, y);
  add(a, b, n, y);
  if (activation == Activation::kLinear) return;
  for (size_t i = 0; i < n; ++i) y[i] = activate(y[i], activation);
}

DNG_SIMD_CLONES void row_accumulate(const float* from, size_t n, float* to) {
  for (size_t i = 0; i < n; ++i) to[i] += from[i];
}

}  // namespace dng
