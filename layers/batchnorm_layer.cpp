#include "layers/batchnorm_layer.h"

#include <vector>

#include "engine/cpu/batchnorm_math.h"
#include "engine/cpu/parallel.h"
#include "engine/kernel.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

class BatchnormKernel final : public Kernel {
 public:
  LayoutUse layout_use() const override { return LayoutUse::kSame; }
  bool take_over(Activation activation) override {
    if (activation_ != Activation::kLinear) return false;
    activation_ = activation;
    return true;
  }

  Role role(const Node&) const override {
    Role role;
    role.by_range = role.lazy = role.measures = role.takes_strides = true;
    role.changes_delta = activation_ != Activation::kLinear;
    role.reads_output = false;
    return role;
  }

  void prepare(Node* node) override {
    rows_ = Rows(node->config->out, node->layout);
    batchnorm_ = std::make_unique<BatchNorm>(node->host->blocks(node->index), rows_, node->batch,
                                             host::traits().batchnorm.rolling_rate);
    piece_ = piece_of(node->batch, rows_.size() * sizeof(float), least_pieces(node->threads));
    if (node->before == nullptr) return;
    before_ = dynamic_cast<const BatchnormKernel*>(node->before->kernel.get());
    measured_ = before_ == nullptr ? 0 : node->before->config->out.channels;
  }

  void forward(Node& node, Pass& pass) override {
    for_ranges(node.batch, piece_, [&](const Range& range, Scratch& scratch) {
      batchnorm_->measure(node.view(0, pass, range, &scratch), range, measured_);
    });
    batchnorm_->finish(pass.steps, before_ == nullptr ? nullptr : before_->batchnorm_.get(), measured_);
  }

  void compute(const Node& node, const Pass& pass, const Range& range, float* output, Scratch* scratch) override {
    batchnorm_->apply(node.view(0, pass, range, scratch), range.count, activation_, output);
  }

  void settle(Node& node, const Pass& pass, const Range& range, Scratch* scratch) override {
    const ScratchFrame frame(scratch);
    batchnorm_->gradient_sums(node.view(0, pass, range, scratch), range, activation_,
                              node.delta + range.offset(node.stride), node.stride, scratch);
  }

  void backward(Node& node, Pass& pass) override {
    batchnorm_->finish_gradient();
    if (!node.sources[0].wanted) return;
    for_ranges(node.batch, piece_, [&](const Range& range, Scratch& scratch) {
      batchnorm_->gradient(node.view(0, pass, range, &scratch), {node.delta + range.offset(node.stride), node.stride},
                           range.count, node.gradient_place(0, range));
      node.given(0, pass, range, &scratch);
    });
  }

  void prepare_inference(Node&) override { batchnorm_->fold(&factor_, &shift_); }
  void infer(const Node&, int images, const View* inputs, float* output, size_t, Scratch*) override {
    const float zero[kLanes] = {};
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        float factor[kLanes], shift[kLanes];
        for (int l = 0; l < kLanes; ++l) {
          const auto channel = static_cast<size_t>(rows_.channel(row, l));
          factor[l] = factor_[channel];
          shift[l] = shift_[channel];
        }
        row_affine(inputs[0].data + i * inputs[0].stride + rows_.offset(row), rows_.length(), zero, factor, shift,
                   activation_, output + i * rows_.size() + rows_.offset(row));
      }
    }
  }

 private:
  Activation activation_ = Activation::kLinear;
  Rows rows_;
  int piece_ = 1;
  const BatchnormKernel* before_ = nullptr;  // has measured the first channels of the same numbers
  int measured_ = 0;                         // that many
  std::unique_ptr<BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
};

}  // namespace

Op batchnorm_op() {
  Op op("batchnorm", Op::Kind::kLayer, "batch norm on its own");
  op.checked(require_room_for_batchnorm).kernel(Device::kCpu, [](const LayerConfig&) {
    return std::make_unique<BatchnormKernel>();
  });
  add_common_options(&op);
  return op;
}

}  // namespace dng
