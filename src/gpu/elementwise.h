// What several layers do with every element of a tensor on the GPU.
#pragma once

#include "gpu/node_launch.h"

namespace dng::DNG_GPU {

template <math::Activation activation>
struct ConstantActivation {
  DNG_HOST_DEVICE constexpr operator math::Activation() const { return activation; }
};
// function(activation), with a constant for those of most networks: so the branch is outside of its loop.
template <class Function>
DNG_DEVICE void with_activation(math::Activation activation, const Function& function) {
  using math::Activation;
  switch (activation) {
    case Activation::kLinear:
      return;
    case Activation::kRelu:
      return function(ConstantActivation<Activation::kRelu>());
    case Activation::kLeaky:
      return function(ConstantActivation<Activation::kLeaky>());
    case Activation::kSwish:
      return function(ConstantActivation<Activation::kSwish>());
    case Activation::kMish:
      return function(ConstantActivation<Activation::kMish>());
    default:
      return function(activation);
  }
}
// values = f(values).
template <int V>
DNG_DEVICE void activate_all(float* values, math::Activation activation) {
  with_activation(activation, [&](auto f) {
    for (int v = 0; v < V; ++v) values[v] = math::activate(values[v], f);
  });
}
// d *= f', from what math::activation_gradient reads: the outputs, or the arguments of f.
template <int V>
DNG_DEVICE void slope_all(const float* values, math::Activation activation, float* d) {
  with_activation(activation, [&](auto f) {
    for (int v = 0; v < V; ++v) d[v] *= math::activation_gradient(values[v], f);
  });
}
// d *= f', from the arguments of f.
template <int V>
DNG_DEVICE void slope_at_all(const float* arguments, math::Activation activation, float* d) {
  with_activation(activation, [&](auto f) {
    for (int v = 0; v < V; ++v) d[v] *= math::activation_gradient_at(arguments[v], f);
  });
}

// to = or += d = delta * f', from `values` (of slope_all; null: f is linear) [+ addend].
template <class T, int V>
struct PassThroughBody {
  const T *delta, *values, *addend;
  T* to;
  bool add;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float d[V], other[V];
    gpu::load<T, V>(delta + at, d);
    if (values != nullptr) {
      float more[V] = {};
      gpu::load<T, V>(values + at, other);
      if (addend != nullptr) gpu::load<T, V>(addend + at, more);
      for (int v = 0; v < V; ++v) other[v] += more[v];
      slope_all<V>(other, activation, d);
    }
    if (add) {
      gpu::load<T, V>(to + at, other);
      for (int v = 0; v < V; ++v) d[v] += other[v];
    }
    gpu::store<T, V>(d, to + at);
  }
};

// Accumulates the node's delta, times f', in the delta of a source of the same shape. The node's output is f of its
// source, or of the sum of two.
inline void pass_through(const gpu::Node& node, size_t slot, math::Activation activation) {
  void* to = node.input_delta(slot);
  if (to == nullptr) return;
  const void *delta = node.delta, *values = nullptr, *addend = nullptr;
  if (math::gradient_reads_input(activation)) {
    values = node.input();
    if (node.sources.size() > 1) addend = node.input(1);
  } else if (activation != math::Activation::kLinear) {
    values = node.output;
  }
  each_vector<PassThroughBody>(node, delta, values, addend, to, node.sources[slot].adds(), activation);
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

// y = f(x + bias); y may be x.
template <class T>
struct BiasBody {
  const T* x;
  T* y;
  const float* bias;
  uint32_t channels;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const float value = gpu::to_float(x[i]) + bias[i % channels];
    y[i] = gpu::from_float<T>(math::activate(value, activation));
  }
};

// delta *= f', from `values` (of slope_all; null: f is linear) [+ bias]; its sums are added to the gradient of the
// bias.
template <class T, int V>
struct BiasGradientBody {
  T* delta;
  const T* values;
  const float* bias;
  math::Activation activation;
  int channels;
  float* gradient;
  static constexpr uint32_t kAhead = kRowsAhead;
  struct Column {
    float bias[V] = {};
  };
  DNG_DEVICE Column column(int channel) const {
    Column c;
    for (int v = 0; v < V && bias != nullptr; ++v) c.bias[v] = bias[channel + v];
    return c;
  }
  struct Row {
    gpu::Pack<T, V> delta, values;
  };
  DNG_DEVICE size_t place(uint32_t row, int channel) const {
    return static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(channel);
  }
  DNG_DEVICE Row read(uint32_t row, int channel) const {
    const size_t at = place(row, channel);
    Row r;
    r.delta = gpu::pack<V>(delta + at);
    if (values != nullptr) r.values = gpu::pack<V>(values + at);
    return r;
  }
  DNG_DEVICE void add(const Row& row, uint32_t number, int channel, const Column& c, float* a, float*) const {
    float d[V];
    for (int v = 0; v < V; ++v) d[v] = gpu::to_float(row.delta.values[v]);
    if (values != nullptr) {
      float read[V];
      for (int v = 0; v < V; ++v) read[v] = gpu::to_float(row.values.values[v]) + c.bias[v];
      slope_all<V>(read, activation, d);
      gpu::store<T, V>(d, delta + place(number, channel));
    }
    for (int v = 0; v < V; ++v) a[v] += d[v];
  }
  DNG_DEVICE void finish(int channel, double a, double) const { gradient[channel] += static_cast<float>(a); }
};

// output = f(x + bias); x may be the output.
inline void add_bias(const gpu::Node& node, const void* x, math::Activation activation) {
  each_element<BiasBody>(node, node.size(), x, node.output, node.bias.value, static_cast<uint32_t>(node.out().channels),
                         activation);
}

// x: what add_bias got, where f' is computed from the argument of f. `width`: what is read at once divides it.
inline void bias_gradient(const gpu::Node& node, const void* x, math::Activation activation, int width) {
  const bool from_argument = math::gradient_reads_input(activation);
  const void* values = activation == math::Activation::kLinear ? nullptr : from_argument ? x : node.output;
  const float* bias = from_argument ? node.bias.value : nullptr;
  sum_channels<BiasGradientBody>(node, width, node.delta, values, bias, activation, node.out().channels,
                                 node.bias.gradient);
}

}  // namespace dng::DNG_GPU
