#include "layers/local_avgpool_layer.h"

#include <algorithm>

#include "cpu/kernel.h"
#include "cpu/parallel.h"
#include "layers/pool_options.h"

namespace dng::layers {
namespace {

class LocalAvgpoolKernel final : public cpu::Kernel {
 public:
  explicit LocalAvgpoolKernel(const graph::LayerConfig& layer)
      : window_(pool_window(layer.options)), in_(layer.in), out_(layer.out) {}

  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(cpu::Node* node) override {
    rows_ = cpu::Rows(in_, node->layout);
    length_ = cpu::Rows(out_, node->layout).length();
  }

  void forward(cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      pool(input + image.offset(rows_.size()), node.output + image.offset(node.out_size()));
    });
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      pool(inputs[0].data + i * rows_.size(), output + i * node.out_size());
    }
  }

  void backward(cpu::Node& node, graph::Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const auto block = static_cast<size_t>(rows_.block);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      const float* delta = node.delta + image.offset(node.out_size());
      float* to = input_delta + image.offset(rows_.size());
      each_window([&](size_t out, size_t first, float share, int height, int width) {
        for (int y = 0; y < height; ++y) {
          float* pixel = to + first + static_cast<size_t>(y * in_.width) * block;
          for (int x = 0; x < width; ++x, pixel += block) {
            for (size_t l = 0; l < block; ++l) pixel[l] += delta[out + l] * share;
          }
        }
      });
    });
  }

 private:
  void pool(const float* input, float* output) const {
    const auto block = static_cast<size_t>(rows_.block);
    each_window([&](size_t out, size_t first, float share, int height, int width) {
      float sum[cpu::kLanes] = {};
      for (int y = 0; y < height; ++y) {
        const float* pixel = input + first + static_cast<size_t>(y * in_.width) * block;
        for (int x = 0; x < width; ++x, pixel += block) {
          for (size_t l = 0; l < block; ++l) sum[l] += pixel[l];
        }
      }
      for (size_t l = 0; l < block; ++l) output[out + l] = sum[l] * share;
    });
  }

  // Calls visit(index of the output pixel, of the window's first input pixel, 1 / pixels, height, width) for one image,
  // with the windows cut to the input.
  template <class Visit>
  void each_window(const Visit& visit) const {
    const auto block = static_cast<size_t>(rows_.block);
    const int offset = -(window_.padding / 2);
    for (int row = 0; row < rows_.count(); ++row) {
      size_t out = static_cast<size_t>(row) * length_;
      for (int oy = 0; oy < out_.height; ++oy) {
        const int y = offset + oy * window_.stride;
        const int y0 = std::max(y, 0), y1 = std::min(y + window_.size, in_.height);
        for (int ox = 0; ox < out_.width; ++ox, out += block) {
          const int x = offset + ox * window_.stride;
          const int x0 = std::max(x, 0), x1 = std::min(x + window_.size, in_.width);
          const size_t first = rows_.offset(row) + static_cast<size_t>(y0 * in_.width + x0) * block;
          visit(out, first, 1.0f / static_cast<float>((y1 - y0) * (x1 - x0)), y1 - y0, x1 - x0);
        }
      }
    }
  }

  PoolWindow window_;
  data::Geometry in_, out_;
  cpu::Rows rows_;
  size_t length_ = 0;  // of a row of the output
};

cfg::CfgSection as_maxpool(const graph::LayerConfig& layer) {
  const PoolWindow window = pool_window(layer.options);
  return {"maxpool",
          0,
          {{"size", std::to_string(window.size), 0},
           {"stride", std::to_string(window.stride), 0},
           {"padding", std::to_string(window.padding), 0}}};
}

}  // namespace

graph::Op local_avgpool_op() {
  graph::Op op("local_avgpool", graph::Op::Kind::kLayer, "the mean over windows");
  add_pool_options(&op);
  op.shaped(pool_shape).stand_in(as_maxpool).kernel(graph::Device::kCpu, [](const graph::LayerConfig& layer) {
    return std::make_unique<LocalAvgpoolKernel>(layer);
  });
  return op;
}

}  // namespace dng::layers
