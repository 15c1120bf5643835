#include "layers/batchnorm_layer.h"

#include "engine/cpu/batchnorm_math.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

class BatchnormKernel final : public Kernel {
 public:
  LayoutUse layout_use() const override { return LayoutUse::kSame; }

  void prepare(Node* node) override {
    batchnorm_ =
        std::make_unique<BatchNorm>(node->host->blocks(node->index), Rows(node->config->out, node->batch, node->layout),
                                    host::traits().batchnorm.rolling_rate);
  }

  void forward(Node& node, Pass& pass) override {
    batchnorm_->forward(node.input(pass), pass, Activation::kLinear, node.output);
  }

  void backward(Node& node, Pass& pass) override {
    batchnorm_->backward(node.input(pass), node.delta);
    if (node.input_delta() == nullptr) return;
    row_accumulate(node.delta, node.out_size() * static_cast<size_t>(node.batch), node.input_delta());
  }

 private:
  std::unique_ptr<BatchNorm> batchnorm_;
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
