#include "layers/local_avgpool_layer.h"

#include <algorithm>

#include "engine/kernel.h"
#include "layers/pool_options.h"

namespace dng {
namespace {

class LocalAvgpoolKernel final : public Kernel {
 public:
  explicit LocalAvgpoolKernel(const LayerConfig& layer)
      : window_(pool_window(layer.options)), in_(layer.in), out_(layer.out) {}

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    each_window(node, [&](size_t out, size_t plane, int y0, int y1, int x0, int x1) {
      float sum = 0;
      for (int y = y0; y < y1; ++y) {
        for (int x = x0; x < x1; ++x) sum += input[plane + static_cast<size_t>(y) * in_.width + x];
      }
      node.output[out] = sum / static_cast<float>((y1 - y0) * (x1 - x0));
    });
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    each_window(node, [&](size_t out, size_t plane, int y0, int y1, int x0, int x1) {
      const float share = node.delta[out] / static_cast<float>((y1 - y0) * (x1 - x0));
      for (int y = y0; y < y1; ++y) {
        for (int x = x0; x < x1; ++x) input_delta[plane + static_cast<size_t>(y) * in_.width + x] += share;
      }
    });
  }

 private:
  // Calls visit(index of the output, start of the input plane, y0, y1, x0, x1) with the window cut to the input.
  template <class Visit>
  void each_window(const Node& node, Visit visit) const {
    const size_t planes = static_cast<size_t>(node.batch) * in_.channels;
    const int offset = -(window_.padding / 2);
    size_t out = 0;
    for (size_t p = 0; p < planes; ++p) {
      const size_t plane = p * in_.height * in_.width;
      for (int oy = 0; oy < out_.height; ++oy) {
        const int y = offset + oy * window_.stride;
        const int y0 = std::max(y, 0), y1 = std::min(y + window_.size, in_.height);
        for (int ox = 0; ox < out_.width; ++ox, ++out) {
          const int x = offset + ox * window_.stride;
          visit(out, plane, y0, y1, std::max(x, 0), std::min(x + window_.size, in_.width));
        }
      }
    }
  }

  PoolWindow window_;
  Geometry in_, out_;
};

CfgSection as_maxpool(const LayerConfig& layer) {
  const PoolWindow window = pool_window(layer.options);
  return {"maxpool",
          0,
          {{"size", std::to_string(window.size), 0},
           {"stride", std::to_string(window.stride), 0},
           {"padding", std::to_string(window.padding), 0}}};
}

}  // namespace

Op local_avgpool_op() {
  Op op("local_avgpool", Op::Kind::kLayer, "the mean over windows");
  add_pool_options(&op);
  op.shaped(pool_shape).stand_in(as_maxpool).kernel(Device::kCpu, [](const LayerConfig& layer) {
    return std::make_unique<LocalAvgpoolKernel>(layer);
  });
  return op;
}

}  // namespace dng
