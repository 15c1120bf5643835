#include "layers/maxpool_layer.h"

#include <algorithm>
#include <limits>

#include "engine/kernel.h"
#include "layers/pool_options.h"

namespace dng {
namespace {

class MaxpoolKernel final : public Kernel {
 public:
  explicit MaxpoolKernel(const LayerConfig& layer)
      : window_(pool_window(layer.options)), in_(layer.in), out_(layer.out) {}
  LayoutUse layout_use() const override { return LayoutUse::kSame; }

  void prepare(Node* node) override {
    rows_ = std::make_unique<Rows>(in_, node->batch, node->layout);
    best_.resize(node->out_size() * static_cast<size_t>(node->batch));
  }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    const int block = rows_->block, offset = -(window_.padding / 2);
    const size_t length = static_cast<size_t>(out_.height) * out_.width * static_cast<size_t>(block);
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      const float* in = input + rows_->offset(row);
      float* out = node.output + static_cast<size_t>(row) * length;
      int* best = best_.data() + static_cast<size_t>(row) * length;
      for (int oy = 0; oy < out_.height; ++oy) {
        const int y = offset + oy * window_.stride;
        const int y0 = std::max(y, 0), y1 = std::min(y + window_.size, in_.height);
        for (int ox = 0; ox < out_.width; ++ox, out += block, best += block) {
          const int x = offset + ox * window_.stride;
          const int x0 = std::max(x, 0), x1 = std::min(x + window_.size, in_.width);
          std::fill(out, out + block, -std::numeric_limits<float>::max());
          std::fill(best, best + block, (y0 * in_.width + x0) * block);
          for (int iy = y0; iy < y1; ++iy) {
            for (int ix = x0; ix < x1; ++ix) {
              const int at = (iy * in_.width + ix) * block;
              for (int l = 0; l < block; ++l) {
                const bool larger = in[at + l] > out[l];
                best[l] = larger ? at : best[l];
                out[l] = larger ? in[at + l] : out[l];
              }
            }
          }
        }
      }
    }
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const int block = rows_->block;
    const size_t length = static_cast<size_t>(out_.height) * out_.width * static_cast<size_t>(block);
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      const size_t first = static_cast<size_t>(row) * length;
      float* to = input_delta + rows_->offset(row);
      for (size_t i = 0; i < length; ++i) {
        to[best_[first + i] + static_cast<int>(i % static_cast<size_t>(block))] += node.delta[first + i];
      }
    }
  }

 private:
  PoolWindow window_;
  Geometry in_, out_;
  std::unique_ptr<Rows> rows_;
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
