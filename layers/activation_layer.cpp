#include "layers/activation_layer.h"

#include <algorithm>

#include "engine/cpu/row_math.h"
#include "engine/kernel.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

class ActivationKernel final : public Kernel {
 public:
  explicit ActivationKernel(Activation activation) : activation_(activation) {}
  LayoutUse layout_use() const override { return LayoutUse::kSame; }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    const float zero[kLanes] = {};
    float one[kLanes];
    std::fill(one, one + kLanes, 1.0f);
    each_image(node, [&](size_t first, size_t count) {
      row_affine(input + first, count, zero, one, zero, activation_, node.output + first);
    });
  }

  void backward(Node& node, Pass&) override {
    if (node.input_delta() == nullptr) return;
    each_image(node, [&](size_t first, size_t count) {
      row_activation_gradient(node.output + first, count, activation_, node.delta + first);
      row_accumulate(node.delta + first, count, node.input_delta() + first);
    });
  }

 private:
  template <class Run>
  static void each_image(const Node& node, Run run) {
    const size_t size = node.out_size();
#pragma omp parallel for
    for (int b = 0; b < node.batch; ++b) run(static_cast<size_t>(b) * size, size);
  }

  Activation activation_;
};

std::unique_ptr<Kernel> make_activation_kernel(const LayerConfig& layer) {
  Activation activation{};
  if (!find_activation(layer.options.text("activation"), &activation)) return std::make_unique<HostKernel>();
  return std::make_unique<ActivationKernel>(activation);
}

}  // namespace

Op activation_op() {
  Op op("activation", Op::Kind::kLayer, "an activation function on its own");
  op.option(activation_option("linear")).kernel(Device::kCpu, make_activation_kernel);
  op.checked([](const LayerConfig& layer, const ShapeContext&) { require_working_activation(layer, false); });
  add_common_options(&op);
  return op;
}

}  // namespace dng
