// The GPU kernel of [convolutional]: cuDNN or gpu/built_in_convolution.h convolves.
//   forward   x = W * input; y = f(x + b), or f(batch norm(x) [+ the other source of a shortcut])
//   backward  the gradient in x, in the place of delta; W += dx * input; input delta += W^T * dx
#include "gpu/batchnorm.h"
#include "gpu/operations.h"
#include "layers/antialiasing_on_gpu.h"
#include "layers/convolution_options.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

class ConvolutionalKernel final : public gpu::Kernel {
 public:
  ConvolutionalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation),
        window_(layers::convolution_window(layer.options)),
        groups_(layer.options.integer("groups")),
        batch_normalize_(layer.options.flag("batch_normalize")) {}

  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }
  bool can_subsample() const override { return window_.size == 1 && !window_.strides() && window_.padding == 0; }
  bool fuse_sum(math::Activation activation) override {
    if (!batch_normalize_ || sums_ || activation_ != math::Activation::kLinear) return false;
    if (math::gradient_reads_input(activation)) return false;  // the argument is not stored
    activation_ = activation;
    sums_ = true;
    return true;
  }

  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs;
    needs.reads_output = activation_ != math::Activation::kLinear && (!saves_product() || sums_);
    needs.saved = saves_product() ? node.size() * gpu::bytes_of(node.type) : 0;
    if (batch_normalize_) needs.constants = folded_bias_at(node) + static_cast<size_t>(node.out().channels);
    return needs;
  }

  void prepare(const gpu::Node& node) override {
    gpu::ConvolutionShape shape;
    shape.batch = node.batch;
    shape.in = node.in;
    shape.out = node.out();
    shape.size_y = shape.size_x = window_.size;
    shape.stride_y = window_.stride_y * node.subsample;
    shape.stride_x = window_.stride_x * node.subsample;
    shape.dilation = window_.dilation;
    shape.padding = window_.padding;
    shape.groups = groups_;
    shape.precision = node.precision;
    convolution_ = node.gpu->make_convolution(shape, node.trains);
    if (batch_normalize_) batchnorm_ = BatchNorm(node, host::traits().batchnorm.rolling_rate);
  }

  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    if (!batch_normalize_) return plain_forward(node, saves_product() ? node.saved : node.output);
    if (!convolution_->forward_with_statistics(node.input(), node.weights.copy, node.saved,
                                               batchnorm_.statistics(node, pass))) {
      convolution_->forward(node.input(), node.weights.copy, node.saved);
      batchnorm_.compute_statistics(node, pass, node.saved);
    }
    batchnorm_.apply(node, node.saved, addend(node), activation_);
  }

  void backward(const gpu::Node& node, const gpu::Pass&) override {
    if (batch_normalize_) {
      if (!has_gradient_sums_) {
        batchnorm_.gradient_sums(node, node.saved, activation_, sums_, sums_ ? node.input_delta(1) : nullptr,
                                 sums_ && node.sources[1].adds());
      }
      has_gradient_sums_ = false;
      batchnorm_.gradient(node, node.saved, activation_, sums_, node.delta, false);
    } else {
      bias_gradient(node, node.saved, activation_, node.out().channels);
    }
    void* copy_gradient = node.weights.copy_gradient;
    convolution_->backward_weights(node.input(), node.delta,
                                   copy_gradient != nullptr ? copy_gradient : node.weights.gradient,
                                   copy_gradient == nullptr);
    if (node.input_delta() != nullptr) backward_data(node);
  }
  bool gradient_statistics(const gpu::Node& node, gpu::GradientStatistics* statistics) const override {
    if (!batch_normalize_ || sums_) return false;
    *statistics = batchnorm_.gradient_statistics(node, node.saved, activation_);
    return true;
  }
  void gradient_statistics_computed() override { has_gradient_sums_ = true; }

  void prepare_inference(const gpu::Node& node) override {
    if (!batch_normalize_) return;
    batchnorm_.fold(node);
    const bool depthwise = gpu::is_depthwise(groups_, node.in.channels, node.out().channels);
    const int filter = depthwise ? 1 : static_cast<int>(node.weights.count) / node.out().channels;
    batchnorm_.fold_into(node, filter, folded_weights(node), folded_bias(node));
  }
  void infer(const gpu::Node& node, const gpu::Pass&) override {
    if (!batch_normalize_) return plain_forward(node, node.output);
    const void* bias = folded_bias(node);
    if (convolution_->forward_fused(node.input(), folded_weights(node), bias, addend(node), activation_, node.output)) {
      return;
    }
    convolution_->forward(node.input(), folded_weights(node), node.output);
    each_vector_in_column<EndingBody>(node, node.output, bias, addend(node), activation_);
  }

 private:
  // Weights and biases with batch norm folded into them, for evaluation, follow batch norm's constants, with room for
  // floats, each at a multiple of kChunk.
  static size_t rounded(size_t count) { return (count + gpu::kChunk - 1) / gpu::kChunk * gpu::kChunk; }
  static size_t folded_weights_at(const gpu::Node& node) { return rounded(BatchNorm::constants(node)); }
  static size_t folded_bias_at(const gpu::Node& node) {
    return folded_weights_at(node) + rounded(static_cast<size_t>(node.weights.count));
  }
  static void* folded_weights(const gpu::Node& node) { return node.constants + folded_weights_at(node); }
  static void* folded_bias(const gpu::Node& node) { return node.constants + folded_bias_at(node); }

  // Where nobody else accumulates in the source's delta, the convolution computes the sums of batch norm of its
  // gradient, too.
  void backward_data(const gpu::Node& node) const {
    const graph::Edge& source = node.sources[0];
    gpu::GradientStatistics statistics{};
    gpu::Kernel& kernel = *gpu::node_of(source)->kernel;
    if (source.only && kernel.gradient_statistics(*gpu::node_of(source), &statistics) &&
        convolution_->backward_data_with_statistics(node.weights.copy, node.delta, node.input_delta(), statistics)) {
      return kernel.gradient_statistics_computed();
    }
    convolution_->backward_data(node.weights.copy, node.delta, node.input_delta(), source.adds());
  }

  const void* addend(const gpu::Node& node) const { return sums_ ? node.input(1) : nullptr; }

  // Before the bias or batch norm.
  bool saves_product() const { return batch_normalize_ || math::gradient_reads_input(activation_); }
  // x: the convolution alone.
  void plain_forward(const gpu::Node& node, void* x) const {
    convolution_->forward(node.input(), node.weights.copy, x);
    add_bias(node, x, activation_);
  }

  math::Activation activation_;
  layers::ConvolutionWindow window_;
  int groups_;
  bool batch_normalize_;
  bool sums_ = false;               // adds its second source
  bool has_gradient_sums_ = false;  // in a backward pass: who wrote the delta has computed the sums of its gradient
  std::unique_ptr<gpu::Convolution> convolution_;
  BatchNorm batchnorm_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_convolutional(const graph::LayerConfig& layer) {
  return make_antialiased(layer, layers::convolution_output, layers::make_with_activation<ConvolutionalKernel>);
}

}  // namespace dng::DNG_GPU
