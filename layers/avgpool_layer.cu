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
    each_element<AvgpoolBody>(node, node.size(), node.input(), node.output, channels(node), space(node));
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
