// What the CPU kernels of [avgpool], [local_avgpool] and [maxpool] share: they pool image by image, and their backward
// passes read neither input nor output.
#pragma once

#include <vector>

#include "cpu/kernel.h"
#include "cpu/parallel.h"

namespace dng::layers {

class PoolingKernel : public cpu::Kernel {
 public:
  // `saves_indices`: pool() has an int for each output, which pool_gradient() reads.
  explicit PoolingKernel(bool saves_indices) : saves_indices_(saves_indices) {}

  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  graph::Role role(const cpu::Node&) const final {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) final {
    in_ = cpu::Rows(node.config->in, node.in_layout());
    out_ = cpu::Rows(node.config->out, node.layout);
    if (saves_indices_ && setup.trains) indices_.resize(out_.size() * static_cast<size_t>(node.batch));
  }

  void forward(const cpu::Node& node, graph::Pass& pass) final {
    const float* input = node.input(pass);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      const size_t first = image.offset(out_.size());
      pool(input + image.offset(in_.size()), node.output + first, saves_indices_ ? indices_.data() + first : nullptr);
    });
  }

  void backward(const cpu::Node& node, graph::Pass&) final {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      const size_t first = image.offset(out_.size());
      pool_gradient(node.delta + first, saves_indices_ ? indices_.data() + first : nullptr,
                    input_delta + image.offset(in_.size()));
    });
  }

  void infer(const cpu::Node&, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) final {
    const cpu::WorkspaceFrame frame(workspace);
    int* indices = saves_indices_ ? reinterpret_cast<int*>(workspace->take(out_.size())) : nullptr;
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      pool(inputs[0].data + i * in_.size(), output + i * out_.size(), indices);
    }
  }

 protected:
  // One image each. The gradient is added to `input_delta`.
  virtual void pool(const float* input, float* output, int* indices) const = 0;
  virtual void pool_gradient(const float* delta, const int* indices, float* input_delta) const = 0;

  cpu::Rows in_, out_;

 private:
  bool saves_indices_;
  std::vector<int> indices_;
};

}  // namespace dng::layers
