#include "layers/antialiasing.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

// Saves which pixel of its window was the largest; of equal ones the first.
template <class T>
struct MaxpoolBody {
  Windows windows;
  const T* x;
  T* y;
  uint32_t* best;  // null at evaluation
  DNG_DEVICE void operator()(uint32_t i) const {
    bool any = false;
    float largest = 0;
    uint32_t where = 0;
    windows.each_pixel(i, [&](int pixel, size_t at) {
      const float value = gpu::to_float(x[at]);
      // NaN is the largest of all, so that it is noticed.
      if (any && !(value > largest) && value == value) return;
      any = true;
      largest = value;
      where = static_cast<uint32_t>(pixel);
    });
    y[i] = gpu::from_float<T>(largest);
    if (best != nullptr) best[i] = where;
  }
};

template <class T>
struct MaxpoolGradientBody {
  const T* delta;
  T* to;
  bool add;
  Windows windows;
  const uint32_t* best;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = add ? gpu::to_float(to[i]) : 0;
    windows.each_window(i, [&](size_t at, int pixel) {
      if (best[at] == static_cast<uint32_t>(pixel)) sum += gpu::to_float(delta[at]);
    });
    to[i] = gpu::from_float<T>(sum);
  }
};

class MaxpoolKernel final : public gpu::Kernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer)
      : window_(layers::pool_window(layer.options)), windows_(window_, layer.in, layer.out) {}
  int subsample_factor() const override { return layers::subsample_factor(window_); }
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs = gpu::Needs::neither();
    needs.saved = node.size() * sizeof(uint32_t);
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override { pool(node, best(node)); }
  void infer(const gpu::Node& node, const gpu::Pass&) override { pool(node, nullptr); }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<MaxpoolGradientBody>(node, windows_, best(node));
  }

 private:
  static uint32_t* best(const gpu::Node& node) { return static_cast<uint32_t*>(node.saved); }
  void pool(const gpu::Node& node, uint32_t* best) const {
    each_element<MaxpoolBody>(node, node.size(), windows_, node.input(), node.output, best);
  }

  layers::PoolWindow window_;
  Windows windows_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_maxpool(const graph::LayerConfig& layer) {
  if (layers::antialiased(layer) || layer.options.flag("maxpool_depth")) return nullptr;
  return std::make_unique<MaxpoolKernel>(layer);
}

}  // namespace dng::DNG_GPU
