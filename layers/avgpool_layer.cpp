#include "layers/avgpool_layer.h"

#include "engine/cpu/parallel.h"
#include "engine/cpu/row_math.h"
#include "engine/kernel.h"

namespace dng {
namespace {

class AvgpoolKernel final : public Kernel {
 public:
  LayoutUse layout_use() const override { return LayoutUse::kInput; }
  Role role(const Node&) const override {
    Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(Node* node) override { rows_ = Rows(node->config->in, node->in_layout()); }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    for_ranges(node.batch, 1, [&](const Range& image, Scratch&) {
      pool(node, input + image.offset(rows_.size()), node.output + image.offset(node.out_size()));
    });
  }

  void infer(const Node& node, int images, const View* inputs, float* output, size_t, Scratch*) override {
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      pool(node, inputs[0].data + i * rows_.size(), output + i * node.out_size());
    }
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const auto space = static_cast<float>(rows_.space);
    for_ranges(node.batch, 1, [&](const Range& image, Scratch&) {
      const float* delta = node.delta + image.offset(node.out_size());
      float* to = input_delta + image.offset(rows_.size());
      for (int row = 0; row < rows_.count(); ++row) {
        for (size_t i = 0; i < rows_.space; ++i) {
          for (int l = 0; l < rows_.block; ++l, ++to) {
            const int channel = rows_.channel(row) + l;
            if (channel < node.config->out.channels) *to += delta[channel] / space;
          }
        }
      }
    });
  }

 private:
  void pool(const Node& node, const float* input, float* output) const {
    const auto space = static_cast<float>(rows_.space);
    for (int row = 0; row < rows_.count(); ++row) {
      float acc[kLanes] = {};
      double sums[kLanes];
      row_sum(input + rows_.offset(row), rows_.length(), acc);
      spread_lanes(acc, rows_, sums);
      for (int l = 0; l < rows_.block; ++l) {
        const int channel = rows_.channel(row) + l;
        if (channel < node.config->out.channels) output[channel] = static_cast<float>(sums[l]) / space;
      }
    }
  }

  Rows rows_;
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
