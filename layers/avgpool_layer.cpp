#include "layers/avgpool_layer.h"

#include "engine/cpu/row_math.h"
#include "engine/kernel.h"

namespace dng {
namespace {

class AvgpoolKernel final : public Kernel {
 public:
  LayoutUse layout_use() const override { return LayoutUse::kInput; }

  void prepare(Node* node) override {
    const Node* source = node->sources[0];
    rows_ = std::make_unique<Rows>(node->config->in, node->batch, source ? source->layout : Layout::kPlain);
  }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    const auto space = static_cast<float>(rows_->space);
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      float acc[kLanes] = {}, sum = 0;
      row_sum(input + rows_->offset(row), rows_->length(), acc);
      float* output = node.output + static_cast<size_t>(row) * rows_->block;
      for (int l = 0; l < kLanes; ++l) {
        if (rows_->block > 1) output[l] = acc[l] / space;
        sum += acc[l];
      }
      if (rows_->block == 1) *output = sum / space;
    }
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const auto space = static_cast<float>(rows_->space);
    const size_t block = static_cast<size_t>(rows_->block);
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      const float* delta = node.delta + static_cast<size_t>(row) * block;
      float* to = input_delta + rows_->offset(row);
      for (size_t i = 0; i < rows_->space; ++i) {
        for (size_t l = 0; l < block; ++l) to[i * block + l] += delta[l] / space;
      }
    }
  }

 private:
  std::unique_ptr<Rows> rows_;
};

}  // namespace

Op avgpool_op() {
  Op op("avgpool", Op::Kind::kLayer, "the mean over height and width");
  op.alias("avg")
      .shaped([](LayerConfig* layer, const ShapeContext&) {
        layer->out = {layer->in.channels, 1, 1};
      })
      .kernel(Device::kCpu, [](const LayerConfig&) { return std::make_unique<AvgpoolKernel>(); });
  add_common_options(&op);
  return op;
}

}  // namespace dng
