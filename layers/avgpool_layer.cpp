#include "layers/avgpool_layer.h"

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"

namespace dng::layers {
namespace {

class AvgpoolKernel final : public cpu::Kernel {
 public:
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kInput; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(cpu::Node* node) override { rows_ = cpu::Rows(node->config->in, node->in_layout()); }

  void forward(cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      pool(node, input + image.offset(rows_.size()), node.output + image.offset(node.out_size()));
    });
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      pool(node, inputs[0].data + i * rows_.size(), output + i * node.out_size());
    }
  }

  void backward(cpu::Node& node, graph::Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const auto space = static_cast<float>(rows_.space);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
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
  void pool(const cpu::Node& node, const float* input, float* output) const {
    const auto space = static_cast<float>(rows_.space);
    for (int row = 0; row < rows_.count(); ++row) {
      float acc[cpu::kLanes] = {};
      double sums[cpu::kLanes];
      cpu::row_sum(input + rows_.offset(row), rows_.length(), acc);
      cpu::spread_lanes(acc, rows_, sums);
      for (int l = 0; l < rows_.block; ++l) {
        const int channel = rows_.channel(row) + l;
        if (channel < node.config->out.channels) output[channel] = static_cast<float>(sums[l]) / space;
      }
    }
  }

  cpu::Rows rows_;
};

}  // namespace

graph::Op avgpool_op() {
  graph::Op op("avgpool", graph::Op::Kind::kLayer, "the mean over height and width");
  op.alias("avg")
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        layer->out = {layer->in.channels, 1, 1};
      })
      .kernel(graph::Device::kCpu, [](const graph::LayerConfig&) { return std::make_unique<AvgpoolKernel>(); });
  graph::add_common_options(&op);
  return op;
}

}  // namespace dng::layers
