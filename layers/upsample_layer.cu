#include "gpu/place.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

struct Repetition {
  data::Geometry in, out;
  int stride;
  float scale;
};

template <class T>
struct UpsampleBody {
  Repetition r;
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    gpu::Place p = gpu::place_of(i, r.out);
    p.x /= r.stride;
    p.y /= r.stride;
    y[i] = gpu::from_float<T>(r.scale * gpu::to_float(x[gpu::index_of(p, r.in)]));
  }
};

template <class T>
struct UpsampleGradientBody {
  const T* delta;
  T* to;
  bool add;
  Repetition r;
  DNG_DEVICE void operator()(uint32_t i) const {
    const gpu::Place p = gpu::place_of(i, r.in);
    float sum = 0;
    for (int y = 0; y < r.stride; ++y) {
      for (int x = 0; x < r.stride; ++x) {
        const gpu::Place from{p.channel, p.x * r.stride + x, p.y * r.stride + y, p.image};
        sum += gpu::to_float(delta[gpu::index_of(from, r.out)]);
      }
    }
    to[i] = gpu::from_float<T>((add ? gpu::to_float(to[i]) : 0) + r.scale * sum);
  }
};

class UpsampleKernel final : public gpu::Kernel {
 public:
  explicit UpsampleKernel(const graph::LayerConfig& layer)
      : repetition_{layer.in, layer.out, layer.options.integer("stride"),
                    static_cast<float>(layer.options.real("scale"))} {}
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_element<UpsampleBody>(node, node.size(), repetition_, node.input(), node.output);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    each_input_gradient<UpsampleGradientBody>(node, repetition_);
  }

 private:
  Repetition repetition_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_upsample(const graph::LayerConfig& layer) {
  if (layer.options.integer("stride") < 0) return nullptr;
  return std::make_unique<UpsampleKernel>(layer);
}

}  // namespace dng::DNG_GPU
