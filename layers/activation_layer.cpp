// [activation]: an activation function on its own, y = f(x) for every element; shapes are kept.
#include <cstring>

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/workspace.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class ActivationKernel final : public cpu::Kernel {
 public:
  ActivationKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }

  const math::Activation* activation() const override { return &activation_; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.passes_through = role.passes_through_unchanged = true;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    for (int i = 0; i < range.count; ++i) {
      const cpu::WorkspaceFrame frame(workspace);
      activate(node, pass, range.first + i, output + static_cast<size_t>(i) * node.out_size(), workspace);
    }
  }

  void backward_epilogue(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const size_t size = node.out_size();
    for (int i = 0; i < range.count; ++i) {
      if (activation_ == math::Activation::kLinear) break;
      const cpu::WorkspaceFrame frame(workspace);
      float* y = workspace->take(size);
      if (math::gradient_reads_input(activation_)) {
        node.read_into(0, pass, {range.first + i, 1}, y, workspace);
      } else {
        activate(node, pass, range.first + i, y, workspace);
      }
      cpu::row_activation_gradient(y, size, activation_, node.delta + static_cast<size_t>(range.first + i) * size);
    }
    node.pass_through(pass, range, workspace);
  }

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

}  // namespace

graph::Op activation_op() {
  return graph::Op("activation", graph::Op::Kind::kLayer, "an activation function on its own")
      .option(activation_option("linear"))
      .stand_in(with_known_activation)
      .kernel(make_with_activation<ActivationKernel>);
}

}  // namespace dng::layers
