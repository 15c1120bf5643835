#include "layers/antialiasing_on_gpu.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

// Saves which pixel of its window was the largest; of equal ones the first.
template <class T>
struct MaxpoolBody {
  Windows windows;
  const T* x;
  T* y;
  uint32_t* best;  // null at evaluation
  DNG_DEVICE void operator()(uint32_t i) const {
    bool any = false;
    float largest = 0;
    uint32_t where = 0;
    windows.each_pixel(i, [&](int pixel, size_t at) {
      const float value = gpu::to_float(x[at]);
      // NaN is the largest of all, so that it is noticed.
      if (any && !(value > largest) && value == value) return;
      any = true;
      largest = value;
      where = static_cast<uint32_t>(pixel);
    });
    y[i] = gpu::from_float<T>(largest);
    if (best != nullptr) best[i] = where;
  }
};

template <class T>
struct MaxpoolGradientBody {
  const T* delta;
  T* to;
  bool add;
  Windows windows;
  const uint32_t* best;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = add ? gpu::to_float(to[i]) : 0;
    windows.each_window(i, [&](size_t at, int pixel) {
      if (best[at] == static_cast<uint32_t>(pixel)) sum += gpu::to_float(delta[at]);
    });
    to[i] = gpu::from_float<T>(sum);
  }
};

class MaxpoolKernel final : public gpu::Kernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer)
      : window_(layers::pool_window(layer.options)), windows_(window_, layer.in, layer.out) {}
  int subsample_factor() const override { return layers::subsample_factor(window_); }
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs = gpu::Needs::neither();
    needs.saved = node.size() * sizeof(uint32_t);
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override { pool(node, best(node)); }
  void infer(const gpu::Node& node, const gpu::Pass&) override { pool(node, nullptr); }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<MaxpoolGradientBody>(node, windows_, best(node));
  }

 private:
  static uint32_t* best(const gpu::Node& node) { return static_cast<uint32_t*>(node.saved); }
  void pool(const gpu::Node& node, uint32_t* best) const {
    each_element<MaxpoolBody>(node, node.size(), windows_, node.input(), node.output, best);
  }

  layers::PoolWindow window_;
  Windows windows_;
};

// maxpool_depth=1: of the channels c, c + out, c + 2 out, ... of a pixel the largest.
struct ChannelGroups {
  uint32_t in, out;

  // The index in the input of what output element i is.
  template <class T>
  DNG_DEVICE size_t largest(const T* x, size_t i) const {
    const size_t first = i / out * in, channel = i % out;
    size_t best = first + channel;
    for (size_t c = channel + out; c < in; c += out) {
      if (gpu::to_float(x[first + c]) > gpu::to_float(x[best])) best = first + c;
    }
    return best;
  }
};

template <class T>
struct DepthBody {
  ChannelGroups groups;
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const { y[i] = x[groups.largest(x, i)]; }
};

template <class T>
struct DepthGradientBody {
  const T* delta;
  T* to;
  bool add;
  ChannelGroups groups;
  const T* x;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = i / groups.in * groups.out + i % groups.in % groups.out;
    float sum = add ? gpu::to_float(to[i]) : 0;
    if (groups.largest(x, at) == i) sum += gpu::to_float(delta[at]);
    to[i] = gpu::from_float<T>(sum);
  }
};

class DepthKernel final : public gpu::Kernel {
 public:
  explicit DepthKernel(const graph::LayerConfig& layer)
      : groups_{static_cast<uint32_t>(layer.in.channels), static_cast<uint32_t>(layer.out.channels)} {}
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_output = false;
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<DepthBody>(node, node.size(), groups_, node.input(), node.output);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<DepthGradientBody>(node, groups_, node.input());
  }

 private:
  ChannelGroups groups_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_maxpool(const graph::LayerConfig& layer) {
  if (layer.options.flag("maxpool_depth")) return std::make_unique<DepthKernel>(layer);
  return make_antialiased(layer, layers::pool_output,
                          [](const graph::LayerConfig& sharp) { return std::make_unique<MaxpoolKernel>(sharp); });
}

}  // namespace dng::DNG_GPU
