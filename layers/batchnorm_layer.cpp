// clang-format off
// [batchnorm]: normalisation of each channel over batch, height and width, then scale and bias. Shapes are kept.
//   training    y = (x - mean) / divisor(v) * scale + bias
//               mean and v: of the batch, v unbiased (over N - 1)
//   evaluation  the same with the rolling mean and variance
//   divisor(v)  sqrt(v) + 1e-6 on the packaged Darknet, sqrt(v + 1e-5) on AlexeyAB's fork, so that the weights evaluate
//               the same under the stock binary
// The rolling statistics move by max(Darknet's rate, 1 / (steps + 1)) of each batch: Darknet's rate alone, from a start
// of zero, leaves them far too small for hundreds of steps.
// Backward is Darknet's formula: 1 / sqrt(v + 1e-5) throughout and sums divided by N (not N - 1), which differs from the
// exact derivative by O(1/N). Source: Ioffe, Szegedy: Batch Normalization, ICML 2015.
// The kernel is this program's: the packaged Darknet's crashes and never updates, and that of either overwrites the
// gradient of the layer before.
// clang-format on
#include <vector>

#include "cpu/kernel.h"
#include "cpu/loops/batchnorm_math.h"
#include "cpu/parallel.h"
#include "layers/layer_options.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class BatchnormKernel final : public cpu::Kernel {
 public:
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.computes_statistics = role.takes_strides = true;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    rows_ = cpu::Rows(node.config->out, node.layout);
    batchnorm_ = std::make_unique<cpu::BatchNorm>(*node.blocks, rows_, setup.shards,
                                                  host::traits().batchnorm.rolling_rate, setup.ranks);
    micro_batch_ = cpu::micro_batch_of(node.batch, rows_.size() * sizeof(float), cpu::kMinMicroBatches);
    if (node.predecessor == nullptr) return;
    predecessor_ = dynamic_cast<const BatchnormKernel*>(&node.predecessor->graph_kernel());
    shared_channels_ = predecessor_ == nullptr ? 0 : node.predecessor->config->out.channels;
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
      batchnorm_->add_statistics(node.view(0, pass, range, &workspace), range, shared_channels_);
    });
    batchnorm_->finish(pass.steps, predecessor_ == nullptr ? nullptr : predecessor_->batchnorm_.get(),
                       shared_channels_);
  }

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    batchnorm_->apply(node.view(0, pass, range, workspace), range.count, activation_, output);
  }

  void backward_epilogue(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const cpu::WorkspaceFrame frame(workspace);
    batchnorm_->gradient_sums(node.view(0, pass, range, workspace), range, activation_,
                              node.delta + range.offset(node.stride), node.stride, workspace);
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    batchnorm_->finish_gradient();
    if (!node.sources[0].needs_gradient()) return;
    cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
      batchnorm_->gradient(node.view(0, pass, range, &workspace), {node.delta + range.offset(node.stride), node.stride},
                           range.count, node.gradient_place(0, range));
      node.accumulated(0, pass, range, &workspace);
    });
  }

  void prepare_inference(const cpu::Node&) override { batchnorm_->fold(&factor_, &shift_); }
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
  const BatchnormKernel* predecessor_ = nullptr;  // has the batch statistics of the first channels of the same tensor
  int shared_channels_ = 0;                       // that many
  std::unique_ptr<cpu::BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
};

}  // namespace

graph::Op batchnorm_op() {
  return graph::Op("batchnorm", graph::Op::Kind::kLayer, "batch norm on its own")
      .checked(require_room_for_batchnorm)
      .kernel([](const graph::LayerConfig&) { return std::make_unique<BatchnormKernel>(); });
}

}  // namespace dng::layers
