#include "gpu/elementwise.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

template <class T>
struct ActivationBody {
  const T* x;
  T* y;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    y[i] = gpu::from_float<T>(math::activate(gpu::to_float(x[i]), activation));
  }
};

class ActivationKernel final : public gpu::Kernel {
 public:
  ActivationKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  const math::Activation* activation() const override { return &activation_; }
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::gradient_of(activation_); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<ActivationBody>(node, node.size(), node.input(), node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override { pass_through(node, 0, activation_); }

 private:
  math::Activation activation_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_activation(const graph::LayerConfig& layer) {
  return layers::make_with_activation<ActivationKernel>(layer);
}

}  // namespace dng::DNG_GPU
