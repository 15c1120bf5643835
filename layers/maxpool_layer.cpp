#include "layers/maxpool_layer.h"

#include <vector>

#include "cpu/kernel.h"
#include "cpu/loops/max_pooling.h"
#include "cpu/parallel.h"
#include "layers/pool_options.h"

namespace dng::layers {
namespace {

class MaxpoolKernel final : public cpu::Kernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer)
      : window_(pool_window(layer.options)), in_(layer.in), out_(layer.out) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  int subsample_factor() const override { return window_.size == 1 && window_.padding == 0 ? window_.stride : 0; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(cpu::Node* node) override {
    rows_ = cpu::Rows(in_, node->layout);
    length_ = cpu::Rows(out_, node->layout).length();
    if (node->trains) best_.resize(node->out_size() * static_cast<size_t>(node->batch));
  }

  void forward(cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      const size_t first = image.offset(node.out_size());
      for (int row = 0; row < rows_.count(); ++row) {
        const size_t start = first + static_cast<size_t>(row) * length_;
        pool(input + image.offset(rows_.size()) + rows_.offset(row), node.output + start, best_.data() + start);
      }
    });
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) override {
    const cpu::WorkspaceFrame frame(workspace);
    int* best = reinterpret_cast<int*>(workspace->take(length_));
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        pool(inputs[0].data + i * rows_.size() + rows_.offset(row),
             output + i * node.out_size() + static_cast<size_t>(row) * length_, best);
      }
    }
  }

  void backward(cpu::Node& node, graph::Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      for (int row = 0; row < rows_.count(); ++row) {
        const size_t first = image.offset(node.out_size()) + static_cast<size_t>(row) * length_;
        float* to = input_delta + image.offset(rows_.size()) + rows_.offset(row);
        for (size_t i = 0; i < length_; ++i) {
          to[best_[first + i] + static_cast<int>(i % static_cast<size_t>(rows_.block))] += node.delta[first + i];
        }
      }
    });
  }

 private:
  void pool(const float* in, float* out, int* best) const {
    cpu::max_pool_row(in, {in_, out_, window_.size, window_.stride, -(window_.padding / 2)}, rows_.block, out, best);
  }

  PoolWindow window_;
  data::Geometry in_, out_;
  cpu::Rows rows_;
  size_t length_ = 0;      // of a row of the output
  std::vector<int> best_;  // start of the pixel within its row
};

}  // namespace

graph::Op maxpool_op() {
  graph::Op op("maxpool", graph::Op::Kind::kLayer, "the maximum over windows");
  op.alias("max");
  add_pool_options(&op);
  op.shaped(pool_shape).kernel(graph::Device::kCpu, [](const graph::LayerConfig& layer) {
    return std::make_unique<MaxpoolKernel>(layer);
  });
  for (const char* key : {"maxpool_depth", "out_channels", "antialiasing", "stride_x", "stride_y"}) {
    op.refuse(key, "this program does not train such pooling; remove it");
  }
  return op;
}

}  // namespace dng::layers
