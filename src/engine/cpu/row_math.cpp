#include "engine/cpu/row_math.h"

#include <algorithm>

#include "base/simd.h"

namespace dng {
namespace {

// 16 numbers at once, in whatever registers the machine has; no alignment is asked for.
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

// Runs `body` for 16 numbers at a time (T is Vector, l is 0), then for each of the rest (T is float, l its lane).
// A macro, because GCC splits vectors of a function before it inlines it into one for a wider machine.
#define DNG_FOR_LANES(n, body)             \
  size_t i = 0;                            \
  for (; i + kLanes <= (n); i += kLanes) { \
    using T = Vector;                      \
    constexpr size_t l = 0;                \
    body                                   \
  }                                        \
  for (size_t l = 0; i + l < (n); ++l) {   \
    using T = float;                       \
    body                                   \
  }
// The numbers of this round, to read and to write; the constants and the sums of the lanes.
#define DNG_IN(p) (*reinterpret_cast<const T*>((p) + i + l))
#define DNG_OUT(p) (*reinterpret_cast<T*>((p) + i + l))
#define DNG_LANE(c) (*reinterpret_cast<const T*>((c) + l))
#define DNG_SUM(c) (*reinterpret_cast<T*>((c) + l))

// What is written nowhere else: the compiler may keep it in registers.
#define DNG_APART __restrict

DNG_SIMD_CLONES void affine(const float* x, size_t n, const float* DNG_APART mean, const float* DNG_APART factor,
                            const float* DNG_APART shift, float* y){
    DNG_FOR_LANES(n, { DNG_OUT(y) = (DNG_IN(x) - DNG_LANE(mean)) * DNG_LANE(factor) + DNG_LANE(shift); })}

DNG_SIMD_CLONES void affine_relu(const float* x, size_t n, const float* DNG_APART mean, const float* DNG_APART factor,
                                 const float* DNG_APART shift, float* y){
    DNG_FOR_LANES(n,
                  {
                    const T value = (DNG_IN(x) - DNG_LANE(mean)) * DNG_LANE(factor) + DNG_LANE(shift);
                    const T zero = {};
                    // Written so that NaN stays NaN and is noticed.
                    DNG_OUT(y) = value < zero ? zero : value;
                  })}

DNG_SIMD_CLONES void affine_leaky(const float* x, size_t n, const float* DNG_APART mean, const float* DNG_APART factor,
                                  const float* DNG_APART shift, float* y){
    DNG_FOR_LANES(n,
                  {
                    const T value = (DNG_IN(x) - DNG_LANE(mean)) * DNG_LANE(factor) + DNG_LANE(shift);
                    const T zero = {};
                    DNG_OUT(y) = value > zero ? value : 0.1f * value;
                  })}

DNG_SIMD_CLONES void below_zero_gradient(const float* DNG_APART y, size_t n, float below, float* DNG_APART delta){
    DNG_FOR_LANES(n,
                  {
                    const T zero = {};
                    const T gradient = DNG_IN(delta);
                    DNG_OUT(delta) = DNG_IN(y) > zero ? gradient : below * gradient;
                  })}

DNG_SIMD_CLONES void add(const float* a, const float* b, size_t n,
                         float* y){DNG_FOR_LANES(n, { DNG_OUT(y) = DNG_IN(a) + DNG_IN(b); })}

DNG_SIMD_CLONES void add_relu(const float* a, const float* b, size_t n,
                              float* y){DNG_FOR_LANES(n,
                                                      {
                                                        const T value = DNG_IN(a) + DNG_IN(b);
                                                        const T zero = {};
                                                        DNG_OUT(y) = value < zero ? zero : value;
                                                      })}

DNG_SIMD_CLONES
    void below_zero_sums(float* DNG_APART delta, const float* DNG_APART x, size_t n, const float* DNG_APART mean,
                         const float* DNG_APART factor, const float* DNG_APART shift, float below, float* DNG_APART sum,
                         float* DNG_APART product) {
  DNG_FOR_LANES(n, {
    const T zero = {};
    const T centred = DNG_IN(x) - DNG_LANE(mean);
    const T given = DNG_IN(delta);
    const T gradient = centred * DNG_LANE(factor) + DNG_LANE(shift) > zero ? given : below * given;
    DNG_OUT(delta) = gradient;
    DNG_SUM(sum) += gradient;
    DNG_SUM(product) += gradient * centred;
  })
}

}  // namespace

DNG_SIMD_CLONES void row_sum(const float* DNG_APART x, size_t n,
                             float* DNG_APART acc){DNG_FOR_LANES(n, { DNG_SUM(acc) += DNG_IN(x); })}

DNG_SIMD_CLONES
    void row_squares(const float* DNG_APART x, size_t n, const float* DNG_APART mean, float* DNG_APART acc) {
  DNG_FOR_LANES(n, {
    const T d = DNG_IN(x) - DNG_LANE(mean);
    DNG_SUM(acc) += d * d;
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
  if (activation == Activation::kRelu) return below_zero_gradient(y, n, 0, delta);
  if (activation == Activation::kLeaky) return below_zero_gradient(y, n, 0.1f, delta);
  for (size_t i = 0; i < n; ++i) delta[i] *= activation_gradient(y[i], activation);
}

DNG_SIMD_CLONES void row_gradient_sums(const float* DNG_APART delta, const float* DNG_APART x, size_t n,
                                       const float* DNG_APART mean, float* DNG_APART sum, float* DNG_APART product) {
  DNG_FOR_LANES(n, {
    DNG_SUM(sum) += DNG_IN(delta);
    DNG_SUM(product) += DNG_IN(delta) * (DNG_IN(x) - DNG_LANE(mean));
  })
}

void row_activation_gradient_sums(float* delta, const float* x, size_t n, const float* mean, const float* factor,
                                  const float* shift, Activation activation, float* sum, float* product) {
  if (activation == Activation::kLinear) return row_gradient_sums(delta, x, n, mean, sum, product);
  below_zero_sums(delta, x, n, mean, factor, shift, activation == Activation::kRelu ? 0.0f : 0.1f, sum, product);
}

DNG_SIMD_CLONES void row_normalise_gradient(const float* delta, const float* DNG_APART x, size_t n,
                                            const float* DNG_APART mean, const float* DNG_APART direct,
                                            const float* DNG_APART slope, const float* DNG_APART constant, float* y){
    DNG_FOR_LANES(n,
                  {
                    DNG_OUT(y) = DNG_IN(delta) * DNG_LANE(direct) + (DNG_IN(x) - DNG_LANE(mean)) * DNG_LANE(slope) +
                                 DNG_LANE(constant);
                  })}

DNG_SIMD_CLONES void row_add_normalised_gradient(const float* DNG_APART delta, const float* DNG_APART x, size_t n,
                                                 const float* DNG_APART mean, const float* DNG_APART direct,
                                                 const float* DNG_APART slope, const float* DNG_APART constant,
                                                 float* DNG_APART y) {
  DNG_FOR_LANES(n, {
    DNG_OUT(y) +=
        DNG_IN(delta) * DNG_LANE(direct) + (DNG_IN(x) - DNG_LANE(mean)) * DNG_LANE(slope) + DNG_LANE(constant);
  })
}

void row_add(const float* a, const float* b, size_t n, Activation activation, float* y) {
  if (activation == Activation::kRelu) return add_relu(a, b, n, y);
  add(a, b, n, y);
  if (activation == Activation::kLinear) return;
  for (size_t i = 0; i < n; ++i) y[i] = activate(y[i], activation);
}

DNG_SIMD_CLONES void row_accumulate(const float* from, size_t n, float* to) {
  DNG_FOR_LANES(n, { DNG_OUT(to) += DNG_IN(from); })
}

void row_activation(float* x, size_t n, Activation activation) {
  const float zero[kLanes] = {};
  float one[kLanes];
  std::fill(one, one + kLanes, 1.0f);
  row_affine(x, n, zero, one, zero, activation, x);
}

void spread_lanes(const float* acc, const Rows& rows, double* sums) {
  std::fill(sums, sums + rows.block, 0.0);
  for (int l = 0; l < kLanes; ++l) sums[l % rows.block] += acc[l];
}

std::vector<double> sum_over_images(const std::vector<double>& numbers, int batch, int channels, int first) {
  std::vector<double> sums(static_cast<size_t>(channels), 0.0);
  for (int b = 0; b < batch; ++b) {
    const double* image = numbers.data() + static_cast<size_t>(b) * static_cast<size_t>(channels);
    for (int c = first; c < channels; ++c) sums[static_cast<size_t>(c)] += image[c];
  }
  return sums;
}

}  // namespace dng
