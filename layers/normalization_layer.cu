// Formulas in layers/normalization_layer.cpp.
#include <algorithm>

#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

struct ChannelWindow {
  int channels, before, behind;
  float alpha, beta, kappa;

  // The sum of value(distance) over the channels from `first` below to `last` above that of element i, which are
  // `distance` elements away.
  template <class Value>
  DNG_DEVICE float sum(uint32_t i, int first, int last, const Value& value) const {
    const int channel = static_cast<int>(i % static_cast<uint32_t>(channels));
    const int from = channel < first ? -channel : -first;
    const int to = channel + last >= channels ? channels - 1 - channel : last;
    float sum = 0;
    for (int distance = from; distance <= to; ++distance) sum += value(distance);
    return sum;
  }
};

template <class T>
struct NormalizationBody {
  ChannelWindow w;
  const T* x;
  T* y;
  float* n;  // null at evaluation
  DNG_DEVICE void operator()(uint32_t i) const {
    const float squares = w.sum(i, w.before, w.behind, [&](int distance) {
      const float value = gpu::to_float(x[static_cast<int64_t>(i) + distance]);
      return value * value;
    });
    const float sum = w.kappa + w.alpha * squares;
    if (n != nullptr) n[i] = sum;
    y[i] = gpu::from_float<T>(gpu::to_float(x[i]) * std::pow(sum, -w.beta));
  }
};

template <class T>
struct NormalizationGradientBody {
  const T* delta;
  T* to;
  bool add;
  ChannelWindow w;
  const T* x;
  const float* n;
  DNG_DEVICE float direct(int64_t at) const { return gpu::to_float(delta[at]) * std::pow(n[at], -w.beta); }
  DNG_DEVICE void operator()(uint32_t i) const {
    const float terms = w.sum(i, w.behind, w.before, [&](int distance) {
      const int64_t at = static_cast<int64_t>(i) + distance;
      return direct(at) * gpu::to_float(x[at]) / n[at];
    });
    const float d = direct(i) - 2 * w.alpha * w.beta * gpu::to_float(x[i]) * terms;
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + d : d);
  }
};

class NormalizationKernel final : public gpu::Kernel {
 public:
  explicit NormalizationKernel(const graph::LayerConfig& layer)
      : window_{layer.in.channels,
                (layer.options.integer("size") - 1) / 2,
                layer.options.integer("size") / 2,
                static_cast<float>(layer.options.real("alpha")),
                static_cast<float>(layer.options.real("beta")),
                static_cast<float>(layer.options.real("kappa"))} {}
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs;
    needs.reads_output = false;
    needs.saved = node.size() * sizeof(float);
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override { normalise(node, sums(node)); }
  void infer(const gpu::Node& node, const gpu::Pass&) override { normalise(node, nullptr); }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<NormalizationGradientBody>(node, window_, node.input(), sums(node));
  }

 private:
  static float* sums(const gpu::Node& node) { return static_cast<float*>(node.saved); }
  void normalise(const gpu::Node& node, float* n) const {
    each_element<NormalizationBody>(node, node.size(), window_, node.input(), node.output, n);
  }

  ChannelWindow window_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_normalization(const graph::LayerConfig& layer) {
  return std::make_unique<NormalizationKernel>(layer);
}

}  // namespace dng::DNG_GPU
