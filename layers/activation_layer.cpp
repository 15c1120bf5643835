#include "layers/activation_layer.h"

#include <cstring>

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/workspace.h"
#include "layers/layer_options.h"

namespace dng::layers {
namespace {

class ActivationKernel final : public cpu::Kernel {
 public:
  explicit ActivationKernel(math::Activation activation) : activation_(activation) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }

  const math::Activation* activation() const override { return &activation_; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.passes_through = role.passes_through_unchanged = true;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void forward(cpu::Node&, graph::Pass&) override {}

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    for (int i = 0; i < range.count; ++i) {
      const cpu::WorkspaceFrame frame(workspace);
      activate(node, pass, range.first + i, output + static_cast<size_t>(i) * node.out_size(), workspace);
    }
  }

  void backward_epilogue(cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const size_t size = node.out_size();
    for (int i = 0; i < range.count; ++i) {
      if (activation_ == math::Activation::kLinear) break;
      const cpu::WorkspaceFrame frame(workspace);
      float* y = workspace->take(size);
      activate(node, pass, range.first + i, y, workspace);
      cpu::row_activation_gradient(y, size, activation_, node.delta + static_cast<size_t>(range.first + i) * size);
    }
    node.pass_through(pass, range, workspace);
  }

  void backward(cpu::Node&, graph::Pass&) override {}

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    const size_t count = static_cast<size_t>(images) * node.out_size();
    std::memcpy(output, inputs[0].data, count * sizeof(float));
    cpu::row_activation(output, count, activation_);
  }

 private:
  void activate(const cpu::Node& node, const graph::Pass& pass, int image, float* y, cpu::Workspace* workspace) const {
    node.read_into(0, pass, {image, 1}, y, workspace);
    cpu::row_activation(y, node.out_size(), activation_);
  }

  math::Activation activation_;
};

std::unique_ptr<cpu::Kernel> make_activation_kernel(const graph::LayerConfig& layer) {
  math::Activation activation{};
  if (!math::find_activation(layer.options.text("activation"), &activation)) return std::make_unique<cpu::HostKernel>();
  return std::make_unique<ActivationKernel>(activation);
}

}  // namespace

graph::Op activation_op() {
  graph::Op op("activation", graph::Op::Kind::kLayer, "an activation function on its own");
  op.option(activation_option("linear")).kernel(graph::Device::kCpu, make_activation_kernel);
  op.checked(
      [](const graph::LayerConfig& layer, const graph::ShapeContext&) { require_working_activation(layer, false); });
  graph::add_common_options(&op);
  return op;
}

}  // namespace dng::layers
