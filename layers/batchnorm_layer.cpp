#include "layers/batchnorm_layer.h"

#include <vector>

#include "cpu/kernel.h"
#include "cpu/loops/batchnorm_math.h"
#include "cpu/parallel.h"
#include "layers/layer_options.h"

namespace dng::layers {
namespace {

class BatchnormKernel final : public cpu::Kernel {
 public:
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  bool fuse_activation(math::Activation activation) override {
    if (activation_ != math::Activation::kLinear) return false;
    activation_ = activation;
    return true;
  }

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.computes_statistics = role.takes_strides = true;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void prepare(cpu::Node* node) override {
    rows_ = cpu::Rows(node->config->out, node->layout);
    batchnorm_ = std::make_unique<cpu::BatchNorm>(node->host->blocks(node->index), rows_, node->batch,
                                                  host::traits().batchnorm.rolling_rate);
    micro_batch_ =
        cpu::micro_batch_of(node->batch, rows_.size() * sizeof(float), cpu::least_micro_batches(node->threads));
    if (node->before == nullptr) return;
    before_ = dynamic_cast<const BatchnormKernel*>(&node->before->graph_kernel());
    measured_ = before_ == nullptr ? 0 : node->before->config->out.channels;
  }

  void forward(cpu::Node& node, graph::Pass& pass) override {
    cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
      batchnorm_->measure(node.view(0, pass, range, &workspace), range, measured_);
    });
    batchnorm_->finish(pass.steps, before_ == nullptr ? nullptr : before_->batchnorm_.get(), measured_);
  }

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    batchnorm_->apply(node.view(0, pass, range, workspace), range.count, activation_, output);
  }

  void backward_epilogue(cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const cpu::WorkspaceFrame frame(workspace);
    batchnorm_->gradient_sums(node.view(0, pass, range, workspace), range, activation_,
                              node.delta + range.offset(node.stride), node.stride, workspace);
  }

  void backward(cpu::Node& node, graph::Pass& pass) override {
    batchnorm_->finish_gradient();
    if (!node.sources[0].needs_gradient) return;
    cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
      batchnorm_->gradient(node.view(0, pass, range, &workspace), {node.delta + range.offset(node.stride), node.stride},
                           range.count, node.gradient_place(0, range));
      node.accumulated(0, pass, range, &workspace);
    });
  }

  void prepare_inference(cpu::Node&) override { batchnorm_->fold(&factor_, &shift_); }
  void infer(const cpu::Node&, int images, const cpu::View* inputs, float* output, size_t, cpu::Workspace*) override {
    const float zero[cpu::kLanes] = {};
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        float factor[cpu::kLanes], shift[cpu::kLanes];
        for (int l = 0; l < cpu::kLanes; ++l) {
          const auto channel = static_cast<size_t>(rows_.channel(row, l));
          factor[l] = factor_[channel];
          shift[l] = shift_[channel];
        }
        cpu::row_affine(inputs[0].data + i * inputs[0].stride + rows_.offset(row), rows_.length(), zero, factor, shift,
                        activation_, output + i * rows_.size() + rows_.offset(row));
      }
    }
  }

 private:
  math::Activation activation_ = math::Activation::kLinear;
  cpu::Rows rows_;
  int micro_batch_ = 1;
  const BatchnormKernel* before_ = nullptr;  // has measured the first channels of the same numbers
  int measured_ = 0;                         // that many
  std::unique_ptr<cpu::BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
};

}  // namespace

graph::Op batchnorm_op() {
  graph::Op op("batchnorm", graph::Op::Kind::kLayer, "batch norm on its own");
  op.checked(require_room_for_batchnorm).kernel(graph::Device::kCpu, [](const graph::LayerConfig&) {
    return std::make_unique<BatchnormKernel>();
  });
  graph::add_common_options(&op);
  return op;
}

}  // namespace dng::layers
