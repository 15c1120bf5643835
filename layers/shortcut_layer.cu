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
  explicit ShortcutKernel(math::Activation activation) : activation_(activation) {}

  const math::Activation* sum_activation() const override { return &activation_; }
  bool fuse_activation(math::Activation activation) override {
    if (activation_ != math::Activation::kLinear) return false;
    activation_ = activation;
    return true;
  }
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_input = false;
    needs.reads_output = activation_ != math::Activation::kLinear;
    return needs;
  }

  void forward(gpu::Node& node, const gpu::Pass&) override {
    gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      each(*node.gpu, node.size() / V,
           SumBody<T, V>{static_cast<const T*>(node.input(0)), static_cast<const T*>(node.input(1)),
                         static_cast<T*>(node.output), activation_});
    });
  }
  void backward(gpu::Node& node, const gpu::Pass&) override {
    for (size_t slot = 0; slot < 2; ++slot) pass_through(node, slot, activation_);
  }

 private:
  math::Activation activation_;
};

// The packaged host's other form: every n-th pixel of the larger of the two, and the channels that both have; the rest
// of the input goes through as it is.
struct Pairs {
  int channels, height, width;                 // that both have
  int out_channels, out_height, out_width;     // of the output
  int from_channels, from_height, from_width;  // of the layer that is added
  int step, spread;

  Pairs(const data::Geometry& out, const data::Geometry& from)
      : channels(std::min(out.channels, from.channels)),
        height(std::min(out.height, from.height)),
        width(std::min(out.width, from.width)),
        out_channels(out.channels),
        out_height(out.height),
        out_width(out.width),
        from_channels(from.channels),
        from_height(from.height),
        from_width(from.width),
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
    const int c = static_cast<int>(i % p.out_channels);
    const int x = static_cast<int>(i / p.out_channels % p.out_width);
    const int row = static_cast<int>(i / p.out_channels / p.out_width % p.out_height);
    const auto b = static_cast<size_t>(i / p.out_channels / p.out_width / p.out_height);
    float sum = gpu::to_float(input[i]);
    if (c < p.channels && x % p.spread == 0 && row % p.spread == 0 && x / p.spread < p.width &&
        row / p.spread < p.height) {
      sum += gpu::to_float(from[((b * p.from_height + row / p.spread * p.step) * p.from_width + x / p.spread * p.step) *
                                    p.from_channels +
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
    const int c = static_cast<int>(i % p.from_channels);
    const int x = static_cast<int>(i / p.from_channels % p.from_width);
    const int row = static_cast<int>(i / p.from_channels / p.from_width % p.from_height);
    const auto b = static_cast<size_t>(i / p.from_channels / p.from_width / p.from_height);
    float d = 0;
    if (c < p.channels && x % p.step == 0 && row % p.step == 0 && x / p.step < p.width && row / p.step < p.height) {
      const size_t at =
          ((b * p.out_height + row / p.step * p.spread) * p.out_width + x / p.step * p.spread) * p.out_channels + c;
      d = gpu::to_float(delta[at]);
      if (y != nullptr) d *= math::activation_gradient(gpu::to_float(y[at]), activation);
    }
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + d : d);
  }
};

class StridedShortcutKernel final : public gpu::Kernel {
 public:
  explicit StridedShortcutKernel(math::Activation activation) : activation_(activation) {}
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_input = false;
    needs.reads_output = activation_ != math::Activation::kLinear;
    return needs;
  }
  void forward(gpu::Node& node, const gpu::Pass&) override {
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, node.size(),
           StridedSumBody<T>{Pairs(node.out(), node.shape_of(1)), static_cast<const T*>(node.input(0)),
                             static_cast<const T*>(node.input(1)), static_cast<T*>(node.output), activation_});
    });
  }
  void backward(gpu::Node& node, const gpu::Pass&) override {
    pass_through(node, 0, activation_);
    if (node.input_delta(1) == nullptr) return;
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      const T* y = activation_ == math::Activation::kLinear ? nullptr : static_cast<const T*>(node.output);
      each(*node.gpu, static_cast<size_t>(node.batch) * node.shape_of(1).size(),
           StridedGradientBody<T>{Pairs(node.out(), node.shape_of(1)), static_cast<const T*>(node.delta), y,
                                  static_cast<T*>(node.input_delta(1)), node.sources[1].adds(), activation_});
    });
  }

 private:
  math::Activation activation_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_shortcut(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  math::Activation activation{};
  const bool factors = (o.has("alpha") && o.real("alpha") != 1) || (o.has("beta") && o.real("beta") != 1);
  if (factors || !math::find_activation(o.text("activation"), &activation)) return nullptr;
  if (!layer.equal_sources) return std::make_unique<StridedShortcutKernel>(activation);
  return std::make_unique<ShortcutKernel>(activation);
}

}  // namespace dng::DNG_GPU
