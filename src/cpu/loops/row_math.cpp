#include "cpu/loops/row_math.h"

#include <algorithm>

#include "base/instructions.h"
#include "base/simd.h"

namespace dng::cpu {
namespace {

struct Loops {
  using Affine = void (*)(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                          float* y);
  using Add = void (*)(const float* a, const float* b, size_t n, float* y);
  using FunctionSums = void (*)(float* delta, const float* x, size_t n, const float* mean, const float* factor,
                                const float* shift, float* sum, float* product);
  using Normalise = void (*)(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                             const float* slope, const float* constant, float* y);
  Affine affine, affine_relu, affine_leaky, affine_swish, affine_mish;
  void (*below_zero_gradient)(const float* y, size_t n, float below, float* delta);
  Add add, add_relu;
  void (*accumulate)(const float* from, size_t n, float* to);
  void (*sum)(const float* x, size_t n, float* acc);
  void (*squares)(const float* x, size_t n, const float* mean, float* acc);
  void (*gradient_sums)(const float* delta, const float* x, size_t n, const float* mean, float* sum, float* product);
  void (*below_zero_sums)(float* delta, const float* x, size_t n, const float* mean, const float* factor,
                          const float* shift, float below, float* sum, float* product);
  FunctionSums swish_sums, mish_sums;
  Normalise normalise_gradient, add_normalised_gradient;
  void (*swish)(float* x, size_t n);
  void (*mish)(float* x, size_t n);
  void (*swish_gradient)(const float* x, size_t n, float* delta);
  void (*mish_gradient)(const float* x, size_t n, float* delta);
};

#define DNG_LOOPS "cpu/loops/row_loops.h"
#include "base/loops_for_processor.h"

void activate_in_place(float* x, size_t n, math::Activation activation) {
  if (activation == math::Activation::kLinear) return;
  if (activation == math::Activation::kSwish) return loops().swish(x, n);
  if (activation == math::Activation::kMish) return loops().mish(x, n);
  for (size_t i = 0; i < n; ++i) x[i] = math::activate(x[i], activation);
}

}  // namespace

void row_sum(const float* x, size_t n, float* acc) { loops().sum(x, n, acc); }

void row_squares(const float* x, size_t n, const float* mean, float* acc) { loops().squares(x, n, mean, acc); }

void row_affine(const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                math::Activation activation, float* y) {
  if (activation == math::Activation::kRelu) return loops().affine_relu(x, n, mean, factor, shift, y);
  if (activation == math::Activation::kLeaky) return loops().affine_leaky(x, n, mean, factor, shift, y);
  if (activation == math::Activation::kSwish) return loops().affine_swish(x, n, mean, factor, shift, y);
  if (activation == math::Activation::kMish) return loops().affine_mish(x, n, mean, factor, shift, y);
  loops().affine(x, n, mean, factor, shift, y);
  activate_in_place(y, n, activation);
}

void row_activation_gradient(const float* y, size_t n, math::Activation activation, float* delta) {
  if (activation == math::Activation::kLinear) return;
  if (activation == math::Activation::kRelu) return loops().below_zero_gradient(y, n, 0, delta);
  if (activation == math::Activation::kLeaky) return loops().below_zero_gradient(y, n, 0.1f, delta);
  if (activation == math::Activation::kSwish) return loops().swish_gradient(y, n, delta);
  if (activation == math::Activation::kMish) return loops().mish_gradient(y, n, delta);
  for (size_t i = 0; i < n; ++i) delta[i] *= math::activation_gradient(y[i], activation);
}

void row_gradient_sums(const float* delta, const float* x, size_t n, const float* mean, float* sum, float* product) {
  loops().gradient_sums(delta, x, n, mean, sum, product);
}

bool row_sums_with_activation(math::Activation activation) {
  return activation == math::Activation::kLinear || activation == math::Activation::kRelu ||
         activation == math::Activation::kLeaky || activation == math::Activation::kSwish ||
         activation == math::Activation::kMish;
}

void row_activation_gradient_sums(float* delta, const float* x, size_t n, const float* mean, const float* factor,
                                  const float* shift, math::Activation activation, float* sum, float* product) {
  if (activation == math::Activation::kLinear) return row_gradient_sums(delta, x, n, mean, sum, product);
  if (activation == math::Activation::kSwish) {
    return loops().swish_sums(delta, x, n, mean, factor, shift, sum, product);
  }
  if (activation == math::Activation::kMish) {
    return loops().mish_sums(delta, x, n, mean, factor, shift, sum, product);
  }
  const float below = activation == math::Activation::kRelu ? 0.0f : 0.1f;
  loops().below_zero_sums(delta, x, n, mean, factor, shift, below, sum, product);
}

void row_normalise_gradient(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                            const float* slope, const float* constant, float* y) {
  loops().normalise_gradient(delta, x, n, mean, direct, slope, constant, y);
}

void row_add_normalised_gradient(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                                 const float* slope, const float* constant, float* y) {
  loops().add_normalised_gradient(delta, x, n, mean, direct, slope, constant, y);
}

void row_add(const float* a, const float* b, size_t n, math::Activation activation, float* y) {
  if (activation == math::Activation::kRelu) return loops().add_relu(a, b, n, y);
  loops().add(a, b, n, y);
  activate_in_place(y, n, activation);
}

void row_accumulate(const float* from, size_t n, float* to) { loops().accumulate(from, n, to); }

void row_activation(float* x, size_t n, math::Activation activation) {
  if (activation == math::Activation::kSwish) return loops().swish(x, n);
  if (activation == math::Activation::kMish) return loops().mish(x, n);
  const float zero[kLanes] = {};
  float one[kLanes];
  std::fill(one, one + kLanes, 1.0f);
  row_affine(x, n, zero, one, zero, activation, x);
}

void spread_lanes(const float* acc, const Rows& rows, double* sums) {
  std::fill(sums, sums + rows.block, 0.0);
  for (int l = 0; l < kLanes; ++l) sums[l % rows.block] += acc[l];
}

std::vector<double> sum_over_images(const std::vector<double>& numbers, const Shards& shards, int channels, int first) {
  const auto row = static_cast<size_t>(channels);
  std::vector<double> sums(static_cast<size_t>(shards.count) * row, 0.0);
  for (int b = 0; b < shards.batch(); ++b) {
    const double* image = numbers.data() + static_cast<size_t>(b) * row;
    double* sum = sums.data() + static_cast<size_t>(b / shards.images) * row;
    for (int c = first; c < channels; ++c) sum[c] += image[c];
  }
  return sums;
}

}  // namespace dng::cpu
