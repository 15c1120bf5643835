// What several layers do with every number of a tensor on the GPU.
#pragma once

#include "gpu/dispatch.h"
#include "gpu/kernel.h"
#include "gpu/launch.h"

namespace dng::DNG_GPU {

// to = or += d = delta * f'(y); y is null where f is linear.
template <class T, int V>
struct HandOnBody {
  const T *delta, *y;
  T* to;
  bool add;
  Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float d[V], other[V];
    gpu::load<T, V>(delta + at, d);
    if (y != nullptr) {
      gpu::load<T, V>(y + at, other);
      for (int v = 0; v < V; ++v) d[v] *= activation_gradient(other[v], activation);
    }
    if (add) {
      gpu::load<T, V>(to + at, other);
      for (int v = 0; v < V; ++v) d[v] += other[v];
    }
    gpu::store<T, V>(d, to + at);
  }
};

// Gives the node's delta, times f' of its output, to a source of the same shape.
inline void hand_on(gpu::Node& node, size_t slot, Activation activation) {
  void* to = node.input_delta(slot);
  if (to == nullptr) return;
  gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
    using T = decltype(zero);
    constexpr int V = decltype(vector)::value;
    each(*node.gpu, node.size() / V,
         HandOnBody<T, V>{static_cast<const T*>(node.delta),
                          activation == Activation::kLinear ? nullptr : static_cast<const T*>(node.output),
                          static_cast<T*>(to), node.sources[slot].add, activation});
  });
}

// to = or += from, between types.
template <class From, class To>
struct ConvertBody {
  const From* from;
  To* to;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const float value = gpu::to_float(from[i]);
    to[i] = gpu::from_float<To>(add ? gpu::to_float(to[i]) + value : value);
  }
};

template <class From>
void convert(gpu::Gpu& gpu, const From* from, void* to, gpu::Type type, size_t count, bool add) {
  gpu::with_type(type, [&](auto zero) {
    using To = decltype(zero);
    each(gpu, count, ConvertBody<From, To>{from, static_cast<To*>(to), add});
  });
}

// y = f(y + bias [+ addend]).
template <class T, int V>
struct EndingBody {
  T* y;
  const T *bias, *addend;  // addend null: none
  uint32_t groups;         // channels / V
  Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float values[V], shift[V], sum[V] = {};
    gpu::load<T, V>(y + at, values);
    gpu::load<T, V>(bias + i % groups * V, shift);
    if (addend != nullptr) gpu::load<T, V>(addend + at, sum);
    for (int v = 0; v < V; ++v) values[v] = activate(values[v] + shift[v] + sum[v], activation);
    gpu::store<T, V>(values, y + at);
  }
};

// x = f(x + bias), bias null: none.
template <class T>
struct BiasBody {
  T* x;
  const float* bias;
  uint32_t channels;
  Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const float value = gpu::to_float(x[i]) + (bias != nullptr ? bias[i % channels] : 0.0f);
    x[i] = gpu::from_float<T>(activate(value, activation));
  }
};

// delta *= f'(y), and the sums of it are added to the gradient of the bias (null: frozen, or there is none).
template <class T, int V>
struct BiasGradientBody {
  T* delta;
  const T* y;  // null: f is linear
  Activation activation;
  int channels;
  float* gradient;
  struct Column {};
  DNG_DEVICE Column column(int) const { return {}; }
  DNG_DEVICE void add(uint32_t row, int channel, const Column&, float* a, float*) const {
    const size_t at = static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(channel);
    float d[V];
    gpu::load<T, V>(delta + at, d);
    if (y != nullptr) {
      float outputs[V];
      gpu::load<T, V>(y + at, outputs);
      for (int v = 0; v < V; ++v) d[v] *= activation_gradient(outputs[v], activation);
      gpu::store<T, V>(d, delta + at);
    }
    for (int v = 0; v < V; ++v) a[v] += d[v];
  }
  DNG_DEVICE void finish(int channel, double a, double) const {
    if (gradient != nullptr) gradient[channel] += static_cast<float>(a);
  }
};

}  // namespace dng::DNG_GPU
