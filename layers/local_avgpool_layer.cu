#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

template <class T>
struct LocalAvgpoolBody {
  Windows windows;
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = 0;
    windows.each_pixel(i, [&](int, size_t at) { sum += gpu::to_float(x[at]); });
    y[i] = gpu::from_float<T>(sum * (1.0f / static_cast<float>(windows.pixels(i))));
  }
};

template <class T>
struct LocalAvgpoolGradientBody {
  const T* delta;
  T* to;
  bool add;
  Windows windows;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = add ? gpu::to_float(to[i]) : 0;
    windows.each_window(
        i, [&](size_t at, int) { sum += gpu::to_float(delta[at]) * (1.0f / static_cast<float>(windows.pixels(at))); });
    to[i] = gpu::from_float<T>(sum);
  }
};

class LocalAvgpoolKernel final : public gpu::Kernel {
 public:
  explicit LocalAvgpoolKernel(const graph::LayerConfig& layer)
      : windows_(layers::pool_window(layer.options), layer.in, layer.out) {}
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<LocalAvgpoolBody>(node, node.size(), windows_, node.input(), node.output);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<LocalAvgpoolGradientBody>(node, windows_);
  }

 private:
  Windows windows_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_local_avgpool(const graph::LayerConfig& layer) {
  return std::make_unique<LocalAvgpoolKernel>(layer);
}

}  // namespace dng::DNG_GPU
