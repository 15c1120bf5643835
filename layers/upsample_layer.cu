#include "gpu/place.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

// small [C][H][W], large [C][H stride][W stride].
struct Repetition {
  data::Geometry small, large;
  int stride;
  float scale;
};

// i: of the large tensor.
template <class T>
struct RepeatPixelsBody {
  const T* x;
  T* y;
  bool add;
  Repetition r;
  DNG_DEVICE void operator()(uint32_t i) const {
    gpu::Place p = gpu::place_of(i, r.large);
    p.x /= r.stride;
    p.y /= r.stride;
    const float value = r.scale * gpu::to_float(x[gpu::index_of(p, r.small)]);
    y[i] = gpu::from_float<T>((add ? gpu::to_float(y[i]) : 0) + value);
  }
};

// i: of the small tensor.
template <class T>
struct SumPixelsBody {
  const T* x;
  T* y;
  bool add;
  Repetition r;
  DNG_DEVICE void operator()(uint32_t i) const {
    const gpu::Place p = gpu::place_of(i, r.small);
    float sum = 0;
    for (int row = 0; row < r.stride; ++row) {
      for (int column = 0; column < r.stride; ++column) {
        const gpu::Place from{p.channel, p.x * r.stride + column, p.y * r.stride + row, p.image};
        sum += gpu::to_float(x[gpu::index_of(from, r.large)]);
      }
    }
    y[i] = gpu::from_float<T>((add ? gpu::to_float(y[i]) : 0) + r.scale * sum);
  }
};

class UpsampleKernel final : public gpu::Kernel {
 public:
  explicit UpsampleKernel(const graph::LayerConfig& layer) {
    const int stride = layer.options.integer("stride");
    const auto scale = static_cast<float>(layer.options.real("scale"));
    sums_ = stride < 0;
    repetition_ =
        sums_ ? Repetition{layer.out, layer.in, -stride, scale} : Repetition{layer.in, layer.out, stride, scale};
  }
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    const void* x = node.input();
    if (sums_) {
      each_element<SumPixelsBody>(node, node.size(), x, node.output, false, repetition_);
    } else {
      each_element<RepeatPixelsBody>(node, node.size(), x, node.output, false, repetition_);
    }
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    if (sums_) {
      each_input_gradient<RepeatPixelsBody>(node, repetition_);
    } else {
      each_input_gradient<SumPixelsBody>(node, repetition_);
    }
  }

 private:
  bool sums_ = false;
  Repetition repetition_{};
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_upsample(const graph::LayerConfig& layer) {
  return std::make_unique<UpsampleKernel>(layer);
}

}  // namespace dng::DNG_GPU
