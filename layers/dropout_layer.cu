#include "base/random.h"
#include "gpu/node_launch.h"
#include "layers/device_kernels.h"
#include "layers/dropout_options.h"

namespace dng::DNG_GPU {
namespace {

// to = or += from * mask. The mask is that of the CPU (layers/dropout_layer.cpp): draw c * space + i of the image is
// for pixel i of channel c. It is drawn again in the backward pass.
template <class T>
struct DropoutBody {
  const T* from;
  T* to;
  bool add;
  const gpu::StepInput* step;
  uint64_t layer;
  double probability;
  float scale;
  uint32_t channels, space;
  DNG_DEVICE void operator()(uint32_t i) const {
    const uint32_t channel = i % channels, pixel = i / channels % space, image = i / channels / space;
    CounterRandom random(step->seed, Stream::kDropout, static_cast<uint64_t>(step->position + image), layer);
    random.skip_to(channel * space + pixel);
    const float factor = random.uniform() < probability ? 0.0f : scale;
    const float value = gpu::to_float(from[i]) * factor;
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + value : value);
  }
};

class DropoutKernel final : public gpu::Kernel {
 public:
  explicit DropoutKernel(double probability) : probability_(probability) {}
  gpu::Needs needs(const gpu::Node&) const override { return gpu::Needs::neither(); }
  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    step_ = pass.step;
    run(node, node.input(), node.output, false, probability_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    if (node.input_delta() != nullptr) run(node, node.delta, node.input_delta(), node.sources[0].adds(), probability_);
  }
  void infer(const gpu::Node& node, const gpu::Pass& pass) override {
    step_ = pass.step;
    run(node, node.input(), node.output, false, 0);
  }

 private:
  void run(const gpu::Node& node, const void* from, void* to, bool add, double probability) const {
    each_element<DropoutBody>(node, node.size(), from, to, add, step_, static_cast<uint64_t>(node.index), probability,
                              static_cast<float>(1.0 / (1.0 - probability)), static_cast<uint32_t>(node.out().channels),
                              static_cast<uint32_t>(node.out().height * node.out().width));
  }

  double probability_;
  const gpu::StepInput* step_ = nullptr;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_dropout(const graph::LayerConfig& layer) {
  if (layer.options.flag("dropblock")) return nullptr;
  return std::make_unique<DropoutKernel>(layers::dropout_probability(layer.options));
}

}  // namespace dng::DNG_GPU
