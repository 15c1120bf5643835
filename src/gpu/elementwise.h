// What several layers do with every element of a tensor on the GPU.
#pragma once

#include "gpu/node_launch.h"

namespace dng::DNG_GPU {

// values = f(values). The branch on the activation is outside of the loop for those of most networks.
template <int V>
DNG_DEVICE void activate_all(float* values, math::Activation activation) {
  if (activation == math::Activation::kLinear) return;
  if (activation == math::Activation::kRelu) {
    for (int v = 0; v < V; ++v) values[v] = math::activate(values[v], math::Activation::kRelu);
  } else {
    for (int v = 0; v < V; ++v) values[v] = math::activate(values[v], activation);
  }
}
// d *= f', from the outputs.
template <int V>
DNG_DEVICE void slope_all(const float* outputs, math::Activation activation, float* d) {
  if (activation == math::Activation::kLinear) return;
  if (activation == math::Activation::kRelu) {
    for (int v = 0; v < V; ++v) d[v] *= math::activation_gradient(outputs[v], math::Activation::kRelu);
  } else {
    for (int v = 0; v < V; ++v) d[v] *= math::activation_gradient(outputs[v], activation);
  }
}

// to = or += d = delta * f'(y); y is null where f is linear.
template <class T, int V>
struct PassThroughBody {
  const T *delta, *y;
  T* to;
  bool add;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float d[V], other[V];
    gpu::load<T, V>(delta + at, d);
    if (y != nullptr) {
      gpu::load<T, V>(y + at, other);
      slope_all<V>(other, activation, d);
    }
    if (add) {
      gpu::load<T, V>(to + at, other);
      for (int v = 0; v < V; ++v) d[v] += other[v];
    }
    gpu::store<T, V>(d, to + at);
  }
};

// Accumulates the node's delta, times f' of its output, in the delta of a source of the same shape.
inline void pass_through(const gpu::Node& node, size_t slot, math::Activation activation) {
  void* to = node.input_delta(slot);
  if (to == nullptr) return;
  const void* delta = node.delta;
  const void* y = activation == math::Activation::kLinear ? nullptr : node.output;
  each_vector<PassThroughBody>(node, delta, y, to, node.sources[slot].adds(), activation);
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
  math::Activation activation;
  struct Column {
    float bias[V];
  };
  DNG_DEVICE Column column(uint32_t group) const {
    Column c;
    gpu::load<T, V>(bias + group * V, c.bias);
    return c;
  }
  DNG_DEVICE void operator()(uint32_t i, uint32_t, const Column& c) const {
    const size_t at = static_cast<size_t>(i) * V;
    float values[V], sum[V] = {};
    gpu::load<T, V>(y + at, values);
    if (addend != nullptr) gpu::load<T, V>(addend + at, sum);
    for (int v = 0; v < V; ++v) values[v] += c.bias[v] + sum[v];
    activate_all<V>(values, activation);
    gpu::store<T, V>(values, y + at);
  }
};

// x = f(x + bias).
template <class T>
struct BiasBody {
  T* x;
  const float* bias;
  uint32_t channels;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const float value = gpu::to_float(x[i]) + bias[i % channels];
    x[i] = gpu::from_float<T>(math::activate(value, activation));
  }
};

// delta *= f'(y), and its sums are added to the gradient of the bias.
template <class T, int V>
struct BiasGradientBody {
  T* delta;
  const T* y;  // null: f is linear
  math::Activation activation;
  int channels;
  float* gradient;
  struct Column {};
  DNG_DEVICE Column column(int) const { return {}; }
  struct Row {
    gpu::Pack<T, V> delta, y;
  };
  DNG_DEVICE size_t place(uint32_t row, int channel) const {
    return static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(channel);
  }
  DNG_DEVICE Row read(uint32_t row, int channel) const {
    const size_t at = place(row, channel);
    Row r;
    r.delta = gpu::pack<V>(delta + at);
    if (y != nullptr) r.y = gpu::pack<V>(y + at);
    return r;
  }
  DNG_DEVICE void add(const Row& row, uint32_t number, int channel, const Column&, float* a, float*) const {
    float d[V];
    for (int v = 0; v < V; ++v) d[v] = gpu::to_float(row.delta.values[v]);
    if (y != nullptr) {
      float outputs[V];
      for (int v = 0; v < V; ++v) outputs[v] = gpu::to_float(row.y.values[v]);
      slope_all<V>(outputs, activation, d);
      gpu::store<T, V>(d, delta + place(number, channel));
    }
    for (int v = 0; v < V; ++v) a[v] += d[v];
  }
  DNG_DEVICE void finish(int channel, double a, double) const { gradient[channel] += static_cast<float>(a); }
};

// The output, in place.
inline void add_bias(const gpu::Node& node, math::Activation activation) {
  each_element<BiasBody>(node, node.size(), node.output, node.bias.value, static_cast<uint32_t>(node.out().channels),
                         activation);
}

// `width`: what is read at once divides it.
inline void bias_gradient(const gpu::Node& node, math::Activation activation, int width) {
  const void* y = activation == math::Activation::kLinear ? nullptr : node.output;
  sum_channels<BiasGradientBody>(node, width, node.delta, y, activation, node.out().channels, node.bias.gradient);
}

}  // namespace dng::DNG_GPU
