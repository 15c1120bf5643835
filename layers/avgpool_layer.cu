#include "gpu/image_sums.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

template <class T>
struct AvgpoolBody {
  const T* x;
  T* y;
  uint32_t channels, space;
  DNG_DEVICE void operator()(uint32_t i) const {
    const T* from = x + static_cast<size_t>(i / channels) * space * channels + i % channels;
    float sum = 0;
    for (uint32_t s = 0; s < space; ++s) sum += gpu::to_float(from[static_cast<size_t>(s) * channels]);
    y[i] = gpu::from_float<T>(sum / static_cast<float>(space));
  }
};

// The same of large maps.
template <class T, int V>
struct AvgpoolSumsBody {
  const T* x;
  T* y;
  int channels, space;
  struct Column {};
  DNG_DEVICE Column column(int, int) const { return {}; }
  DNG_DEVICE void add(size_t row, int channel, const Column&, float* sums) const {
    float values[V];
    gpu::load<T, V>(x + row * static_cast<size_t>(channels) + static_cast<size_t>(channel), values);
    for (int v = 0; v < V; ++v) sums[v] += values[v];
  }
  DNG_DEVICE void finish(int image, int channel, float* sums) const {
    for (int v = 0; v < V; ++v) sums[v] /= static_cast<float>(space);
    gpu::store<T, V>(sums, y + image * channels + channel);
  }
};

template <class T>
struct AvgpoolGradientBody {
  const T* delta;
  T* to;
  bool add;
  uint32_t channels, space;
  DNG_DEVICE void operator()(uint32_t i) const {
    const float d = gpu::to_float(delta[static_cast<size_t>(i / channels / space) * channels + i % channels]) /
                    static_cast<float>(space);
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + d : d);
  }
};

class AvgpoolKernel final : public gpu::Kernel {
 public:
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    constexpr uint32_t kFew = 64;  // pixels that one thread adds up
    if (space(node) <= kFew) {
      return each_element<AvgpoolBody>(node, node.size(), node.input(), node.output, channels(node), space(node));
    }
    const int channels = node.in.channels, pixels = node.in.height * node.in.width;
    gpu::with_vectors(node.type, channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      sum_images<V>(
          *node.gpu, node.batch, pixels, channels,
          AvgpoolSumsBody<T, V>{static_cast<const T*>(node.input()), static_cast<T*>(node.output), channels, pixels});
    });
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<AvgpoolGradientBody>(node, channels(node), space(node));
  }

 private:
  static uint32_t channels(const gpu::Node& node) { return static_cast<uint32_t>(node.in.channels); }
  static uint32_t space(const gpu::Node& node) { return static_cast<uint32_t>(node.in.height * node.in.width); }
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_avgpool(const graph::LayerConfig&) { return std::make_unique<AvgpoolKernel>(); }

}  // namespace dng::DNG_GPU
