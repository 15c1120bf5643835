#include "layers/activation_layer.h"

#include <cstring>

#include "engine/cpu/row_math.h"
#include "engine/cpu/scratch.h"
#include "engine/kernel.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

class ActivationKernel final : public Kernel {
 public:
  explicit ActivationKernel(Activation activation) : activation_(activation) {}
  LayoutUse layout_use() const override { return LayoutUse::kSame; }

  const Activation* activation() const override { return &activation_; }
  Role role(const Node&) const override {
    Role role;
    role.by_range = role.lazy = role.hands_on = role.hands_on_as_is = true;
    role.changes_delta = activation_ != Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void forward(Node&, Pass&) override {}

  void compute(const Node& node, const Pass& pass, const Range& range, float* output, Scratch* scratch) override {
    for (int i = 0; i < range.count; ++i) {
      const ScratchFrame frame(scratch);
      activate(node, pass, range.first + i, output + static_cast<size_t>(i) * node.out_size(), scratch);
    }
  }

  void settle(Node& node, const Pass& pass, const Range& range, Scratch* scratch) override {
    const size_t size = node.out_size();
    for (int i = 0; i < range.count; ++i) {
      if (activation_ == Activation::kLinear) break;
      const ScratchFrame frame(scratch);
      float* y = scratch->take(size);
      activate(node, pass, range.first + i, y, scratch);
      row_activation_gradient(y, size, activation_, node.delta + static_cast<size_t>(range.first + i) * size);
    }
    node.hand_on(pass, range, scratch);
  }

  void backward(Node&, Pass&) override {}

  void infer(const Node& node, int images, const View* inputs, float* output, size_t, Scratch*) override {
    const size_t count = static_cast<size_t>(images) * node.out_size();
    std::memcpy(output, inputs[0].data, count * sizeof(float));
    row_activation(output, count, activation_);
  }

 private:
  void activate(const Node& node, const Pass& pass, int image, float* y, Scratch* scratch) const {
    node.read_into(0, pass, {image, 1}, y, scratch);
    row_activation(y, node.out_size(), activation_);
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
