#include "gpu/dispatch.h"
#include "layers/device_kernels.h"

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
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_input = needs.reads_output = false;
    return needs;
  }
  void forward(gpu::Node& node, const gpu::Pass&) override {
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, node.size(),
           AvgpoolBody<T>{static_cast<const T*>(node.input()), static_cast<T*>(node.output), channels(node),
                          space(node)});
    });
  }
  void backward(gpu::Node& node, const gpu::Pass&) override {
    if (node.input_delta() == nullptr) return;
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, static_cast<size_t>(node.batch) * node.in.size(),
           AvgpoolGradientBody<T>{static_cast<const T*>(node.delta), static_cast<T*>(node.input_delta()),
                                  node.sources[0].adds(), channels(node), space(node)});
    });
  }

 private:
  static uint32_t channels(const gpu::Node& node) { return static_cast<uint32_t>(node.in.channels); }
  static uint32_t space(const gpu::Node& node) { return static_cast<uint32_t>(node.in.height * node.in.width); }
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_avgpool(const graph::LayerConfig&) { return std::make_unique<AvgpoolKernel>(); }

}  // namespace dng::DNG_GPU
