// The types that activations are stored in on the GPU: float, or bfloat16, the upper half of a float (8 bits of
// precision). All sums are made in float or double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/host_device.h"

namespace dng::gpu {

// `precision=` of [net]. Parameters, statistics, loss and update are float in each of them.
enum class Precision {
  kFp32,  // activations and products in float
  kTf32,  // the same, but the tensor cores may read 10 bits of a factor's fraction only
  kBf16,  // activations, gradients of activations and a copy of the weights in bfloat16
};

enum class Type { kFloat, kBFloat16 };
inline size_t bytes_of(Type type) { return type == Type::kFloat ? 4 : 2; }
inline Type activation_type(Precision precision) {
  return precision == Precision::kBf16 ? Type::kBFloat16 : Type::kFloat;
}

struct BFloat16 {
  uint16_t bits;
};

DNG_HOST_DEVICE inline float to_float(float x) { return x; }
DNG_HOST_DEVICE inline float to_float(BFloat16 x) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
#else
  const uint32_t wide = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
#endif
}

// Rounds to the nearest, ties to even; NaN stays NaN.
template <class T>
DNG_HOST_DEVICE T from_float(float x);
template <>
DNG_HOST_DEVICE inline float from_float<float>(float x) {
  return x;
}
template <>
DNG_HOST_DEVICE inline BFloat16 from_float<BFloat16>(float x) {
#if defined(__CUDA_ARCH__)
  const uint32_t wide = __float_as_uint(x);
#else
  uint32_t wide;
  std::memcpy(&wide, &x, sizeof wide);
#endif
  if ((wide & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((wide >> 16) | 0x40u)};
  return {static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16)};
}

// V adjacent values, read and written at once.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T values[V];
};

template <int V, class T>
DNG_HOST_DEVICE Pack<T, V> pack(const T* from) {
  return *reinterpret_cast<const Pack<T, V>*>(from);
}

template <class T, int V>
DNG_HOST_DEVICE void load(const T* from, float* values) {
  const Pack<T, V> read = pack<V>(from);
  for (int v = 0; v < V; ++v) values[v] = to_float(read.values[v]);
}

template <class T, int V>
DNG_HOST_DEVICE void store(const float* values, T* to) {
  Pack<T, V> pack;
  for (int v = 0; v < V; ++v) pack.values[v] = from_float<T>(values[v]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

}  // namespace dng::gpu
