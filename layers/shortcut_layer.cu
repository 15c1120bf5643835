#include "gpu/elementwise.h"
#include "gpu/place.h"
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
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::gradient_of(activation_); }

  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_vector<SumBody>(node, node.input(0), node.input(1), node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    for (size_t slot = 0; slot < 2; ++slot) pass_through(node, slot, activation_);
  }

 private:
  math::Activation activation_;
};

// Unequal shapes, and factors: the channels that both have are added, at every n-th pixel of the larger; the rest of
// the input goes through as it is.
struct Pairs {
  data::Geometry out, from;     // of the output; of the layer that is added
  int channels, height, width;  // that both have
  int step, spread;
  float alpha, beta;

  Pairs(const data::Geometry& output, const data::Geometry& added, float input_factor, float added_factor)
      : out(output),
        from(added),
        channels(std::min(out.channels, from.channels)),
        height(std::min(out.height, from.height)),
        width(std::min(out.width, from.width)),
        step(std::max(1, from.width / out.width)),
        spread(std::max(1, out.width / from.width)),
        alpha(input_factor),
        beta(added_factor) {}

  static constexpr uint32_t kNone = 0xffffffffu;
  // The element that output element i is added to, or kNone; and the other way round.
  DNG_DEVICE uint32_t added_to(uint32_t i) const { return partner(i, out, spread, from, step); }
  DNG_DEVICE uint32_t output_of(uint32_t i) const { return partner(i, from, step, out, spread); }
  // The argument of f, of output element i.
  template <class T>
  DNG_DEVICE float sum(const T* input, const T* added, uint32_t i, uint32_t other) const {
    const float mine = gpu::to_float(input[i]);
    return other == kNone ? mine : alpha * mine + beta * gpu::to_float(added[other]);
  }

 private:
  DNG_DEVICE uint32_t partner(uint32_t i, const data::Geometry& mine, int every, const data::Geometry& other,
                              int other_every) const {
    const gpu::Place p = gpu::place_of(i, mine);
    const int x = p.x / every, y = p.y / every;
    if (p.channel >= channels || p.x % every != 0 || p.y % every != 0 || x >= width || y >= height) return kNone;
    return static_cast<uint32_t>(gpu::index_of({p.channel, x * other_every, y * other_every, p.image}, other));
  }
};

template <class T>
struct PairsBody {
  Pairs p;
  const T *input, *added;
  T* y;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    y[i] = gpu::from_float<T>(math::activate(p.sum(input, added, i, p.added_to(i)), activation));
  }
};

// The gradient of the input, or of the added layer.
template <class T>
struct PairsGradientBody {
  Pairs p;
  bool of_added;
  const T *delta, *y, *input, *added;  // y null: f' is computed from the argument of f
  T* to;
  bool add;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const uint32_t other = of_added ? p.output_of(i) : p.added_to(i);
    float d = 0;
    if (!of_added || other != Pairs::kNone) {
      const uint32_t at = of_added ? other : i, from = of_added ? i : other;
      d = gpu::to_float(delta[at]);
      if (activation != math::Activation::kLinear) {
        d *= math::activation_gradient(y != nullptr ? gpu::to_float(y[at]) : p.sum(input, added, at, from), activation);
      }
      if (other != Pairs::kNone) d *= of_added ? p.beta : p.alpha;
    }
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + d : d);
  }
};

class GeneralShortcutKernel final : public gpu::Kernel {
 public:
  GeneralShortcutKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation),
        alpha_(layers::shortcut_factor(layer, "alpha")),
        beta_(layers::shortcut_factor(layer, "beta")) {}
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::gradient_of(activation_); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<PairsBody>(node, node.size(), pairs(node), node.input(0), node.input(1), node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    const void* delta = node.delta;
    const void* y = math::gradient_reads_input(activation_) ? nullptr : node.output;
    for (size_t slot = 0; slot < 2; ++slot) {
      if (node.input_delta(slot) == nullptr) continue;
      each_element<PairsGradientBody>(node, static_cast<size_t>(node.batch) * node.shape_of(slot).size(), pairs(node),
                                      slot == 1, delta, y, node.input(0), node.input(1), node.input_delta(slot),
                                      node.sources[slot].adds(), activation_);
    }
  }

 private:
  Pairs pairs(const gpu::Node& node) const { return {node.out(), node.shape_of(1), alpha_, beta_}; }

  math::Activation activation_;
  float alpha_, beta_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_shortcut(const graph::LayerConfig& layer) {
  if (layer.equal_sources && !layers::has_shortcut_factors(layer)) {
    return layers::make_with_activation<ShortcutKernel>(layer);
  }
  return layers::make_with_activation<GeneralShortcutKernel>(layer);
}

}  // namespace dng::DNG_GPU
