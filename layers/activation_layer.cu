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
  explicit ActivationKernel(math::Activation activation) : activation_(activation) {}
  const math::Activation* activation() const override { return &activation_; }
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
           ActivationBody<T>{static_cast<const T*>(node.input()), static_cast<T*>(node.output), activation_});
    });
  }
  void backward(gpu::Node& node, const gpu::Pass&) override { pass_through(node, 0, activation_); }

 private:
  math::Activation activation_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_activation(const graph::LayerConfig& layer) {
  math::Activation activation{};
  if (!math::find_activation(layer.options.text("activation"), &activation)) return nullptr;
  return std::make_unique<ActivationKernel>(activation);
}

}  // namespace dng::DNG_GPU
