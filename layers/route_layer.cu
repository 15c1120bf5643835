#include <numeric>

#include "gpu/node_launch.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

// Copies `taken` channels of every pixel into another tensor.
template <class T, int V>
struct CopyChannelsBody {
  const T* from;
  T* to;
  uint32_t groups;  // taken / V
  uint32_t from_channels, from_first, to_channels, to_first;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t row = i / groups;
    const uint32_t channel = i % groups * V;
    float values[V];
    gpu::load<T, V>(from + row * from_channels + from_first + channel, values);
    gpu::store<T, V>(values, to + row * to_channels + to_first + channel);
  }
};

// The gradient of a source: of the taken channels the node's delta, of others zero.
template <class T, int V>
struct SourceGradientBody {
  const T* delta;
  T* to;
  bool add;
  uint32_t groups;  // of the source: channels / V
  uint32_t to_first, to_taken, delta_channels, delta_first;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t row = i / groups;
    const uint32_t channel = i % groups * V;
    float d[V] = {}, before[V] = {};
    if (channel >= to_first && channel < to_first + to_taken) {
      gpu::load<T, V>(delta + row * delta_channels + delta_first + (channel - to_first), d);
    }
    T* at = to + static_cast<size_t>(i) * V;
    if (add) {
      gpu::load<T, V>(at, before);
      for (int v = 0; v < V; ++v) d[v] += before[v];
    }
    gpu::store<T, V>(d, at);
  }
};

class RouteKernel final : public gpu::Kernel {
 public:
  explicit RouteKernel(const graph::LayerConfig& layer)
      : groups_(layer.options.has("groups") ? layer.options.integer("groups") : 1),
        group_(groups_ > 1 ? layer.options.integer("group_id") : 0),
        parts_(layer.sources.size()) {}
  int subsample_factor() const override { return groups_ == 1 && parts_ == 1 ? 1 : 0; }
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }

  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_part(node, [&](size_t slot, int first, int taken, int channels, auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      each(*node.gpu, node.rows() * static_cast<size_t>(taken) / V,
           CopyChannelsBody<T, V>{static_cast<const T*>(node.input(slot)), static_cast<T*>(node.output),
                                  unsigned_(taken / V), unsigned_(channels), unsigned_(group_ * taken),
                                  unsigned_(node.out().channels), unsigned_(first)});
    });
  }

  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_part(node, [&](size_t slot, int first, int taken, int channels, auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      if (node.input_delta(slot) == nullptr) return;
      each(*node.gpu, node.rows() * static_cast<size_t>(channels) / V,
           SourceGradientBody<T, V>{static_cast<const T*>(node.delta), static_cast<T*>(node.input_delta(slot)),
                                    node.sources[slot].adds(), unsigned_(channels / V), unsigned_(group_ * taken),
                                    unsigned_(taken), unsigned_(node.out().channels), unsigned_(first)});
    });
  }

 private:
  static uint32_t unsigned_(int number) { return static_cast<uint32_t>(number); }

  // Calls visit(slot, its first channel in the output, its channels there, the source's channels, T{}, V).
  template <class Visit>
  void each_part(const gpu::Node& node, const Visit& visit) const {
    int first = 0;
    // All offsets must be multiples of what is read at once.
    int common = 0;
    for (size_t slot = 0; slot < node.sources.size(); ++slot) {
      common = std::gcd(common, node.shape_of(slot).channels / groups_);
    }
    for (size_t slot = 0; slot < node.sources.size(); ++slot) {
      const int channels = node.shape_of(slot).channels, taken = channels / groups_;
      gpu::with_vectors(node.type, common,
                        [&](auto zero, auto vector) { visit(slot, first, taken, channels, zero, vector); });
      first += taken;
    }
  }

  int groups_, group_;
  size_t parts_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_route(const graph::LayerConfig& layer) {
  return std::make_unique<RouteKernel>(layer);
}

}  // namespace dng::DNG_GPU
