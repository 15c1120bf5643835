#include "layers/maxpool_layer.h"

#include <vector>

#include "engine/cpu/max_pooling.h"
#include "engine/cpu/parallel.h"
#include "engine/kernel.h"
#include "layers/pool_options.h"

namespace dng {
namespace {

class MaxpoolKernel final : public Kernel {
 public:
  explicit MaxpoolKernel(const LayerConfig& layer)
      : window_(pool_window(layer.options)), in_(layer.in), out_(layer.out) {}
  LayoutUse layout_use() const override { return LayoutUse::kSame; }
  int thins_by() const override { return window_.size == 1 && window_.padding == 0 ? window_.stride : 0; }
  Role role(const Node&) const override {
    Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(Node* node) override {
    rows_ = Rows(in_, node->layout);
    length_ = Rows(out_, node->layout).length();
    if (node->trains) best_.resize(node->out_size() * static_cast<size_t>(node->batch));
  }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    for_ranges(node.batch, 1, [&](const Range& image, Scratch&) {
      const size_t first = image.offset(node.out_size());
      for (int row = 0; row < rows_.count(); ++row) {
        const size_t start = first + static_cast<size_t>(row) * length_;
        pool(input + image.offset(rows_.size()) + rows_.offset(row), node.output + start, best_.data() + start);
      }
    });
  }

  void infer(const Node& node, int images, const View* inputs, float* output, size_t, Scratch* scratch) override {
    const ScratchFrame frame(scratch);
    int* best = reinterpret_cast<int*>(scratch->take(length_));
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        pool(inputs[0].data + i * rows_.size() + rows_.offset(row),
             output + i * node.out_size() + static_cast<size_t>(row) * length_, best);
      }
    }
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    for_ranges(node.batch, 1, [&](const Range& image, Scratch&) {
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
    max_pool_row(in, {in_, out_, window_.size, window_.stride, -(window_.padding / 2)}, rows_.block, out, best);
  }

  PoolWindow window_;
  Geometry in_, out_;
  Rows rows_;
  size_t length_ = 0;      // of a row of the output
  std::vector<int> best_;  // start of the pixel within its row
};

}  // namespace

Op maxpool_op() {
  Op op("maxpool", Op::Kind::kLayer, "the maximum over windows");
  op.alias("max");
  add_pool_options(&op);
  op.shaped(pool_shape).kernel(Device::kCpu, [](const LayerConfig& layer) {
    return std::make_unique<MaxpoolKernel>(layer);
  });
  for (const char* key : {"maxpool_depth", "out_channels", "antialiasing", "stride_x", "stride_y"}) {
    op.refuse(key, "this program does not train such pooling; remove it");
  }
  return op;
}

}  // namespace dng
