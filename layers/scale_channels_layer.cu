#include "gpu/elementwise.h"
#include "gpu/image_sums.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

// y = f(gate map).
template <class T, int V>
struct ScaleBody {
  const T *gate, *map;
  T* y;
  bool by_pixel;
  uint32_t groups, pixels;  // channels / V; of an image
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    const uint32_t row = i / groups;
    float values[V], factors[V];
    gpu::load<T, V>(map + at, values);
    if (by_pixel) {
      for (int v = 0; v < V; ++v) factors[v] = gpu::to_float(gate[row]);
    } else {
      gpu::load<T, V>(gate + (static_cast<size_t>(row / pixels) * groups + i % groups) * V, factors);
    }
    for (int v = 0; v < V; ++v) values[v] *= factors[v];
    activate_all<V>(values, activation);
    gpu::store<T, V>(values, y + at);
  }
};

// The gradients of gate and map at some channels of a pixel; f' is computed from their product.
template <class T, int V>
struct ScaleGradient {
  const T *delta, *gate, *map;
  T *to_gate, *to_map;  // null: not needed
  bool adds_gate, adds_map;
  math::Activation activation;

  // Adds the gate's to sums[V].
  DNG_DEVICE void add(size_t at, const float* factors, float* sums) const {
    float d[V], values[V], product[V], before[V] = {};
    gpu::load<T, V>(delta + at, d);
    gpu::load<T, V>(map + at, values);
    if (adds_map) gpu::load<T, V>(to_map + at, before);
    for (int v = 0; v < V; ++v) product[v] = factors[v] * values[v];
    slope_at_all<V>(product, activation, d);
    for (int v = 0; v < V; ++v) {
      sums[v] += d[v] * values[v];
      d[v] = before[v] + d[v] * factors[v];
    }
    if (to_map != nullptr) gpu::store<T, V>(d, to_map + at);
  }
  DNG_DEVICE void write_gate(size_t at, float* sums) const {
    if (to_gate == nullptr) return;
    float before[V] = {};
    if (adds_gate) gpu::load<T, V>(to_gate + at, before);
    for (int v = 0; v < V; ++v) before[v] += sums[v];
    gpu::store<T, V>(before, to_gate + at);
  }
};

template <class T, int V>
struct ChannelGatesBody {
  ScaleGradient<T, V> gradient;
  int channels;
  struct Column {
    float factors[V];
  };
  DNG_DEVICE size_t place(size_t row, int channel) const {
    return row * static_cast<size_t>(channels) + static_cast<size_t>(channel);
  }
  DNG_DEVICE Column column(int image, int channel) const {
    Column c;
    gpu::load<T, V>(gradient.gate + place(static_cast<size_t>(image), channel), c.factors);
    return c;
  }
  DNG_DEVICE void add(size_t row, int channel, const Column& c, float* sums) const {
    gradient.add(place(row, channel), c.factors, sums);
  }
  DNG_DEVICE void finish(int image, int channel, float* sums) const {
    gradient.write_gate(place(static_cast<size_t>(image), channel), sums);
  }
};

template <class T>
struct PixelGatesBody {
  ScaleGradient<T, 1> gradient;
  int channels;
  template <class Lanes>
  DNG_DEVICE void operator()(int row, const Lanes& lanes) const {
    const float factor = gpu::to_float(gradient.gate[row]);
    float sum = 0;
    for (int c = lanes.first(); c < channels; c += lanes.step()) {
      gradient.add(static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(c), &factor, &sum);
    }
    sum = lanes.sum(sum);
    if (lanes.first() == 0) gradient.write_gate(static_cast<size_t>(row), &sum);
  }
};

class ScaleChannelsKernel final : public gpu::Kernel {
 public:
  ScaleChannelsKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), by_pixel_(layer.options.flag("scale_wh")) {}
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_output = false;
    return needs;
  }

  void forward(const gpu::Node& node, const gpu::Pass&) override {
    gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      each(*node.gpu, node.size() / V,
           ScaleBody<T, V>{static_cast<const T*>(node.input(0)), static_cast<const T*>(node.input(1)),
                           static_cast<T*>(node.output), by_pixel_, static_cast<uint32_t>(node.out().channels / V),
                           static_cast<uint32_t>(pixels(node)), activation_});
    });
  }

  void backward(const gpu::Node& node, const gpu::Pass&) override {
    const int channels = node.out().channels;
    // Where both are the same layer, the map's gradient is written first.
    const bool same = node.sources[0].node == node.sources[1].node, adds = node.sources[0].adds();
    gpu::with_vectors(node.type, by_pixel_ ? 1 : channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      const ScaleGradient<T, V> gradient{static_cast<const T*>(node.delta),    static_cast<const T*>(node.input(0)),
                                         static_cast<const T*>(node.input(1)), static_cast<T*>(node.input_delta(0)),
                                         static_cast<T*>(node.input_delta(1)), same || adds,
                                         same ? adds : node.sources[1].adds(), activation_};
      if constexpr (V == 1) {
        if (by_pixel_) return samples(*node.gpu, node.batch * pixels(node), PixelGatesBody<T>{gradient, channels});
      }
      sum_images<V>(*node.gpu, node.batch, pixels(node), channels, ChannelGatesBody<T, V>{gradient, channels});
    });
  }

 private:
  static int pixels(const gpu::Node& node) { return node.out().height * node.out().width; }

  math::Activation activation_;
  bool by_pixel_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_scale_channels(const graph::LayerConfig& layer) {
  return layers::make_with_activation<ScaleChannelsKernel>(layer);
}

}  // namespace dng::DNG_GPU
