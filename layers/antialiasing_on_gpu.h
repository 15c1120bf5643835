// antialiasing= on the GPU: a kernel around that of the layer at stride 1, as on the CPU (layers/antialiasing.cpp).
#pragma once

#include "layers/antialiasing.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {

// y = the blur of x.
template <class T>
struct BlurBody {
  Windows windows;
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = 0;
    windows.each_pixel(i, [&](int pixel, size_t at) { sum += blur_weight(windows, pixel) * gpu::to_float(x[at]); });
    y[i] = gpu::from_float<T>(sum);
  }
  DNG_DEVICE static float blur_weight(const Windows& windows, int pixel) {
    return layers::blur_weight(windows.size, pixel / windows.size) *
           layers::blur_weight(windows.size, pixel % windows.size);
  }
};

template <class T>
struct BlurGradientBody {
  Windows windows;
  const T* delta;
  T* to;
  DNG_DEVICE void operator()(uint32_t i) const {
    float sum = 0;
    windows.each_window(
        i, [&](size_t at, int pixel) { sum += BlurBody<T>::blur_weight(windows, pixel) * gpu::to_float(delta[at]); });
    to[i] = gpu::from_float<T>(sum);
  }
};

// Two nodes in one: the sharp layer's, whose buffers are parts of this one's, and the blur.
class AntialiasedKernel final : public gpu::Kernel {
 public:
  AntialiasedKernel(const graph::LayerConfig& layer, const graph::LayerConfig& sharp,
                    std::unique_ptr<gpu::Kernel> kernel)
      : config_(sharp), kernel_(std::move(kernel)), windows_(layers::blur_window(layer), sharp.out, layer.out) {}

  gpu::Needs needs(const gpu::Node& node) const override {
    follow(node);
    gpu::Needs needs = kernel_->needs(sharp_);
    needs.reads_output = needs.float_output = false;
    needs.saved = own_part(needs.saved) + sharp_bytes();
    needs.workspace = own_part(needs.workspace) + sharp_bytes();
    return needs;
  }
  void prepare(const gpu::Node& node) override {
    follow(node);
    const gpu::Needs needs = kernel_->needs(sharp_);
    saved_at_ = own_part(needs.saved);
    workspace_at_ = own_part(needs.workspace);
    kernel_->prepare(sharp_);
  }

  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    follow(node);
    sharp_.output = static_cast<char*>(node.saved) + saved_at_;
    kernel_->forward(sharp_, pass);
    blur(node);
  }
  void backward(const gpu::Node& node, const gpu::Pass& pass) override {
    follow(node);
    sharp_.delta = static_cast<char*>(node.workspace) + workspace_at_;
    const void* delta = node.delta;
    each_element<BlurGradientBody>(node, sharp_.size(), windows_, delta, sharp_.delta);
    kernel_->backward(sharp_, pass);
  }
  void prepare_inference(const gpu::Node& node) override {
    follow(node);
    kernel_->prepare_inference(sharp_);
  }
  void infer(const gpu::Node& node, const gpu::Pass& pass) override {
    follow(node);
    sharp_.output = static_cast<char*>(node.workspace) + workspace_at_;
    kernel_->infer(sharp_, pass);
    blur(node);
  }

 private:
  // The sharp kernel's own bytes, as a multiple of an alignment that suits every type.
  static size_t own_part(size_t bytes) { return (bytes + 255) / 256 * 256; }
  size_t sharp_bytes() const { return sharp_.size() * gpu::bytes_of(sharp_.type); }

  // What the executor sets of the whole node.
  void follow(const gpu::Node& node) const {
    sharp_.config = &config_;
    sharp_.index = node.index;
    sharp_.batch = node.batch;
    sharp_.sources = node.sources;
    sharp_.in = node.in;
    sharp_.gpu = node.gpu;
    sharp_.precision = node.precision;
    sharp_.type = node.type;
    sharp_.in_type = node.in_type;
    sharp_.trains = node.trains;
    sharp_.bias = node.bias;
    sharp_.scale = node.scale;
    sharp_.mean = node.mean;
    sharp_.variance = node.variance;
    sharp_.weights = node.weights;
    sharp_.saved = node.saved;
    sharp_.constants = node.constants;
    sharp_.workspace = node.workspace;
    sharp_.sums = node.sums;
    sharp_.network_input = node.network_input;
  }

  void blur(const gpu::Node& node) const {
    const void* x = sharp_.output;
    each_element<BlurBody>(node, node.size(), windows_, x, node.output);
  }

  graph::LayerConfig config_;
  std::unique_ptr<gpu::Kernel> kernel_;
  Windows windows_;
  size_t saved_at_ = 0, workspace_at_ = 0;  // where the sharp output or delta starts
  mutable gpu::Node sharp_;
};

// Kernel of `layer`, antialiased where the cfg says so. `output` and `make` are of the layer at stride 1.
template <class Make>
std::unique_ptr<gpu::Kernel> make_antialiased(const graph::LayerConfig& layer, const layers::OutputShape& output,
                                              const Make& make) {
  if (!layers::antialiased(layer)) return make(layer);
  const graph::LayerConfig sharp = layers::sharp_layer(layer, output);
  return std::make_unique<AntialiasedKernel>(layer, sharp, make(sharp));
}

}  // namespace dng::DNG_GPU
