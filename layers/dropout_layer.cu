#include "base/random.h"
#include "gpu/node_launch.h"
#include "layers/device_kernels.h"
#include "layers/drop_blocks.h"
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

// A square of dropblock=1 for each channel of each image, as on the CPU.
struct CornersBody {
  const gpu::StepInput* step;
  uint64_t layer;
  data::Geometry shape;
  double probability, size;
  int* corners;
  DNG_DEVICE void operator()(uint32_t i) const {
    const auto channels = static_cast<uint32_t>(shape.channels);
    CounterRandom random(step->seed, Stream::kDropout, static_cast<uint64_t>(step->position + i / channels), layer);
    random.skip_to(i % channels * static_cast<uint32_t>(shape.height * shape.width));
    corners[i] = layers::DropBlocks(shape, probability, size, step->progress).corner(&random);
  }
};

struct BlockScalesBody {
  const gpu::StepInput* step;
  data::Geometry shape;
  double probability, size;
  const int* corners;
  float* scales;
  DNG_DEVICE void operator()(uint32_t image) const {
    int squares = 0;
    for (int c = 0; c < shape.channels; ++c) squares += corners[static_cast<int>(image) * shape.channels + c] >= 0;
    scales[image] = layers::DropBlocks(shape, probability, size, step->progress).scale(squares);
  }
};

// to = or += from * mask.
template <class T>
struct DropBlocksBody {
  const T* from;
  T* to;
  bool add;
  const gpu::StepInput* step;
  data::Geometry shape;
  double probability, size;
  const int* corners;
  const float* scales;
  DNG_DEVICE void operator()(uint32_t i) const {
    const auto channels = static_cast<uint32_t>(shape.channels),
               space = static_cast<uint32_t>(shape.height * shape.width);
    const uint32_t channel = i % channels, pixel = i / channels % space, image = i / channels / space;
    const layers::DropBlocks blocks(shape, probability, size, step->progress);
    const bool drops = blocks.drops(corners[image * channels + channel], static_cast<int>(pixel));
    const float value = drops ? 0.0f : gpu::to_float(from[i]) * scales[image];
    to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + value : value);
  }
};

template <class T>
struct CopyBody {
  const T* from;
  T* to;
  DNG_DEVICE void operator()(uint32_t i) const { to[i] = from[i]; }
};

class DropBlockKernel final : public gpu::Kernel {
 public:
  explicit DropBlockKernel(const graph::LayerConfig& layer)
      : probability_(layers::dropout_probability(layer.options)), size_(layers::drop_block_size(layer)) {}
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs = gpu::Needs::neither();
    needs.saved = squares(node) * sizeof(int) + static_cast<size_t>(node.batch) * sizeof(float);
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    step_ = pass.step;
    const auto layer = static_cast<uint64_t>(node.index);
    each(*node.gpu, squares(node), CornersBody{step_, layer, node.out(), probability_, size_, corners(node)});
    each(*node.gpu, static_cast<size_t>(node.batch),
         BlockScalesBody{step_, node.out(), probability_, size_, corners(node), scales(node)});
    run(node, node.input(), node.output, false);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    if (node.input_delta() != nullptr) run(node, node.delta, node.input_delta(), node.sources[0].adds());
  }
  void infer(const gpu::Node& node, const gpu::Pass&) override {
    each_element<CopyBody>(node, node.size(), node.input(), node.output);
  }

 private:
  static size_t squares(const gpu::Node& node) {
    return static_cast<size_t>(node.batch) * static_cast<size_t>(node.out().channels);
  }
  static int* corners(const gpu::Node& node) { return static_cast<int*>(node.saved); }
  static float* scales(const gpu::Node& node) { return reinterpret_cast<float*>(corners(node) + squares(node)); }
  void run(const gpu::Node& node, const void* from, void* to, bool add) const {
    const int* squares = corners(node);
    const float* factors = scales(node);
    each_element<DropBlocksBody>(node, node.size(), from, to, add, step_, node.out(), probability_, size_, squares,
                                 factors);
  }

  double probability_, size_;
  const gpu::StepInput* step_ = nullptr;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_dropout(const graph::LayerConfig& layer) {
  if (layer.options.flag("dropblock")) return std::make_unique<DropBlockKernel>(layer);
  return std::make_unique<DropoutKernel>(layers::dropout_probability(layer.options));
}

}  // namespace dng::DNG_GPU
