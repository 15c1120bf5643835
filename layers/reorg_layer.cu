#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"
#include "layers/reorg_order.h"

namespace dng::DNG_GPU {
namespace {

template <class T>
struct ReorgBody {
  const int* sources;
  uint32_t in, out;  // elements of an image
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int source = sources[i % out];
    y[i] = source < 0 ? gpu::from_float<T>(0) : x[static_cast<size_t>(i / out) * in + static_cast<size_t>(source)];
  }
};

// i: of the output. Every element of the input is the source of one; the zeros of extra= have none.
template <class T>
struct ReorgGradientBody {
  const int* sources;
  uint32_t in, out;
  const T* delta;
  T* to;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int source = sources[i % out];
    if (source < 0) return;
    T* at = to + static_cast<size_t>(i / out) * in + source;
    *at = gpu::from_float<T>((add ? gpu::to_float(*at) : 0) + gpu::to_float(delta[i]));
  }
};

// In NHWC as everything here.
class ReorgKernel final : public gpu::Kernel {
 public:
  explicit ReorgKernel(const graph::LayerConfig& layer) : sources_(layer.out.size()) {
    const std::vector<int> order = layers::reorg_sources(layer);
    for (size_t i = 0; i < order.size(); ++i) {
      const int from = order[i] < 0 ? -1 : static_cast<int>(channels_last(static_cast<size_t>(order[i]), layer.in));
      sources_[channels_last(i, layer.out)] = from;
    }
  }
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs = gpu::Needs::neither();
    needs.constants = sources_.size();
    return needs;
  }
  void prepare(const gpu::Node& node) override {
    static_assert(sizeof(int) == sizeof(float));
    node.gpu->copy_in(node.constants, sources_.data(), sources_.size() * sizeof(int));
    node.gpu->finish();
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<ReorgBody>(node, node.size(), sources(node), in(node), out(node), node.input(), node.output);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    const void* delta = node.delta;
    if (node.input_delta() == nullptr) return;
    each_element<ReorgGradientBody>(node, node.size(), sources(node), in(node), out(node), delta, node.input_delta(),
                                    node.sources[0].adds());
  }

 private:
  // Of value i of an image [channels][height][width].
  static size_t channels_last(size_t i, const data::Geometry& shape) {
    const size_t space = static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
    return i % space * static_cast<size_t>(shape.channels) + i / space;
  }
  static const int* sources(const gpu::Node& node) { return reinterpret_cast<const int*>(node.constants); }
  static uint32_t in(const gpu::Node& node) { return static_cast<uint32_t>(node.in.size()); }
  static uint32_t out(const gpu::Node& node) { return static_cast<uint32_t>(node.out().size()); }

  std::vector<int> sources_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_reorg(const graph::LayerConfig& layer) {
  return std::make_unique<ReorgKernel>(layer);
}

}  // namespace dng::DNG_GPU
