#include "gpu/elementwise.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

// y = f(a + b); equal shapes, as residual networks have them.
template <class T, int V>
struct SumBody {
  const T *a, *b;
  T* y;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float sum[V], other[V];
    gpu::load<T, V>(a + at, sum);
    gpu::load<T, V>(b + at, other);
    for (int v = 0; v < V; ++v) sum[v] = math::activate(sum[v] + other[v], activation);
    gpu::store<T, V>(sum, y + at);
  }
};

class ShortcutKernel final : public gpu::Kernel {
 public:
  ShortcutKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}

  const math::Activation* sum_activation() const override { return &activation_; }
  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::output_of(activation_); }

  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_vector<SumBody>(node, node.input(0), node.input(1), node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    for (size_t slot = 0; slot < 2; ++slot) pass_through(node, slot, activation_);
  }

 private:
  math::Activation activation_;
};

// The packaged Darknet's other form: every n-th pixel of the larger of the two, and the channels that both have; the
// rest of the input goes through as it is.
struct Pairs {
  data::Geometry out, from;     // of the output; of the layer that is added
  int channels, height, width;  // that both have
  int step, spread;

  Pairs(const data::Geometry& output, const data::Geometry& added)
      : out(output),
        from(added),
        channels(std::min(out.channels, from.channels)),
        height(std::min(out.height, from.height)),
        width(std::min(out.width, from.width)),
        step(std::max(1, from.width / out.width)),
        spread(std::max(1, out.width / from.width)) {}
};

template <class T>
struct StridedSumBody {
  Pairs p;
  const T *input, *from;
  T* y;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int c = static_cast<int>(i % p.out.channels);
    const int x = static_cast<int>(i / p.out.channels % p.out.width);
    const int row = static_cast<int>(i / p.out.channels / p.out.width % p.out.height);
    const auto b = static_cast<size_t>(i / p.out.channels / p.out.width / p.out.height);
    float sum = gpu::to_float(input[i]);
    if (c < p.channels && x % p.spread == 0 && row % p.spread == 0 && x / p.spread < p.width &&
        row / p.spread < p.height) {
      sum += gpu::to_float(from[((b * p.from.height + row / p.spread * p.step) * p.from.width + x / p.spread * p.step) *
                                    p.from.channels +
                                c]);
    }
    y[i] = gpu::from_float<T>(math::activate(sum, activation));
  }
};

template <class T>
struct StridedGradientBody {
  Pairs p;
  const T *delta, *y;  // y null: f is linear
  T* to;
  bool add;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int c = static_cast<int>(i % p.from.channels);
    const int x = static_cast<int>(i / p.from.channels % p.from.width);
    const int row = static_cast<int>(i / p.from.channels / p.from.width % p.from.height);
    const auto b = static_cast<size_t>(i / p.from.channels / p.from.width / p.from.height);
    float d = 0;
    if (c < p.channels && x % p.step == 0 && row % p.step == 0 && x / p.step < p.width && row / p.step < p.height) {
      const size_t at =
          ((b * p.out.height + row / p.step * p.spread) * p.out.width + x / p.step * p.spread) * p.out.channels + c;
      d = gpu::to_float(delta[at]);
      if (y != nullptr) d *= math::activation_gradient(gpu::to_float(y[at]), activation);
    }
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + d : d);
  }
};

class StridedShortcutKernel final : public gpu::Kernel {
 public:
  StridedShortcutKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::output_of(activation_); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<StridedSumBody>(node, node.size(), Pairs(node.out(), node.shape_of(1)), node.input(0), node.input(1),
                                 node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    pass_through(node, 0, activation_);
    if (node.input_delta(1) == nullptr) return;
    const void* delta = node.delta;
    const void* y = activation_ == math::Activation::kLinear ? nullptr : node.output;
    each_element<StridedGradientBody>(node, static_cast<size_t>(node.batch) * node.shape_of(1).size(),
                                      Pairs(node.out(), node.shape_of(1)), delta, y, node.input_delta(1),
                                      node.sources[1].adds(), activation_);
  }

 private:
  math::Activation activation_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_shortcut(const graph::LayerConfig& layer) {
  if (layers::has_shortcut_factors(layer)) return nullptr;
  if (!layer.equal_sources) return layers::make_with_output_activation<StridedShortcutKernel>(layer);
  return layers::make_with_output_activation<ShortcutKernel>(layer);
}

}  // namespace dng::DNG_GPU
