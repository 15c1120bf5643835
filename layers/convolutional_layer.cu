// The GPU kernel of [convolutional]: cuDNN convolves, the rest is ours.
//   forward   x = W * input; y = f(x + b), or f(batch norm(x) [+ the other source of a shortcut])
//   backward  the first step of both on delta, which becomes dx; W += dx * input; input delta += W^T * dx
#include "gpu/batchnorm.h"
#include "gpu/elementwise.h"
#include "gpu/operations.h"
#include "layers/convolutional_layer.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

class ConvolutionalKernel final : public gpu::Kernel {
 public:
  ConvolutionalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation),
        size_(layer.options.integer("size")),
        stride_(layer.options.integer("stride")),
        padding_(layers::convolution_padding(layer.options)),
        groups_(layer.options.integer("groups")),
        batch_normalize_(layer.options.flag("batch_normalize")) {}

  bool fuse_activation(math::Activation activation) override {
    if (activation_ != math::Activation::kLinear) return false;
    activation_ = activation;
    return true;
  }
  bool can_subsample() const override { return size_ == 1 && stride_ == 1 && padding_ == 0; }
  bool fuse_sum(math::Activation activation) override {
    if (!batch_normalize_ || sums_ || activation_ != math::Activation::kLinear) return false;
    activation_ = activation;
    sums_ = true;
    return true;
  }

  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs;
    needs.reads_output = activation_ != math::Activation::kLinear && (!batch_normalize_ || sums_);
    needs.saved = batch_normalize_ ? node.size() * gpu::bytes_of(node.type) : 0;
    needs.constants = batch_normalize_ ? BatchNorm::constants(node) : 0;
    if (folds(node)) needs.constants = folded_bias_at(node) + static_cast<size_t>(node.out().channels);
    return needs;
  }

  void prepare(gpu::Node* node) override {
    gpu::ConvolutionShape shape;
    shape.batch = node->batch;
    shape.in = node->in;
    shape.out = node->out();
    shape.size_y = shape.size_x = size_;
    shape.stride = stride_ * node->subsample;
    shape.padding = padding_;
    shape.groups = groups_;
    shape.precision = node->precision;
    convolution_ = node->gpu->make_convolution(shape, node->trains);
    if (batch_normalize_) batchnorm_ = BatchNorm(*node, host::traits().batchnorm.rolling_rate);
  }

  void forward(gpu::Node& node, const gpu::Pass& pass) override {
    if (!batch_normalize_) return plain_forward(node);
    if (!convolution_->forward_with_statistics(node.input(), node.weights.copy, node.saved,
                                               batchnorm_.measurement(node, pass))) {
      convolution_->forward(node.input(), node.weights.copy, node.saved);
      batchnorm_.measure(node, pass, node.saved);
    }
    batchnorm_.apply(node, node.saved, addend(node), activation_);
  }

  void backward(gpu::Node& node, const gpu::Pass&) override {
    if (batch_normalize_) {
      if (!node.measured) {
        batchnorm_.gradient_sums(node, node.saved, activation_, sums_, sums_ ? node.input_delta(1) : nullptr,
                                 sums_ && node.sources[1].adds());
      }
      node.measured = false;
      batchnorm_.gradient(node, node.saved, activation_, sums_, node.delta, false);
    } else {
      bias_gradient(node);
    }
    if (node.learns) {
      const bool apart = node.weights.copy_gradient != nullptr;
      convolution_->backward_weights(node.input(), node.delta,
                                     apart ? node.weights.copy_gradient : node.weights.gradient, !apart);
    }
    if (node.input_delta() != nullptr) backward_data(node);
  }
  bool gradient_statistics(gpu::Node& node, gpu::GradientStatistics* measurement) const override {
    if (!batch_normalize_ || sums_) return false;
    *measurement = batchnorm_.gradient_statistics(node, node.saved, activation_);
    return true;
  }

  void prepare_inference(gpu::Node& node) override {
    if (batch_normalize_) batchnorm_.fold(node);
    if (folds(node)) batchnorm_.fold_into(node, folded_weights(node), folded_bias(node));
  }
  void infer(gpu::Node& node, const gpu::Pass&) override {
    if (!batch_normalize_) return plain_forward(node);
    if (folds(node)) return folded_forward(node);
    convolution_->forward(node.input(), node.weights.copy, node.output);
    batchnorm_.infer(node, node.output, addend(node), activation_);
  }

 private:
  // A network that never trains has batch norm in its weights. They lie behind batch norm's constants, with room for
  // floats, each at a multiple of 64 of them.
  bool folds(const gpu::Node& node) const { return batch_normalize_ && !node.trains; }
  static size_t rounded(size_t count) { return (count + gpu::kChunk - 1) / gpu::kChunk * gpu::kChunk; }
  static size_t folded_weights_at(const gpu::Node& node) { return rounded(BatchNorm::constants(node)); }
  static size_t folded_bias_at(const gpu::Node& node) {
    return folded_weights_at(node) + rounded(static_cast<size_t>(node.weights.count));
  }
  static void* folded_weights(const gpu::Node& node) { return node.constants + folded_weights_at(node); }
  static void* folded_bias(const gpu::Node& node) { return node.constants + folded_bias_at(node); }

  void folded_forward(gpu::Node& node) const {
    const bool relu = activation_ == math::Activation::kRelu;
    if ((relu || activation_ == math::Activation::kLinear) &&
        convolution_->forward_fused(node.input(), folded_weights(node), folded_bias(node), addend(node), relu,
                                    node.output)) {
      return;
    }
    convolution_->forward(node.input(), folded_weights(node), node.output);
    gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      each_in_column(*node.gpu, node.size() / V, static_cast<size_t>(node.out().channels / V),
                     EndingBody<T, V>{static_cast<T*>(node.output), static_cast<const T*>(folded_bias(node)),
                                      static_cast<const T*>(addend(node)), activation_});
    });
  }

  // Where nobody else gives to the source's delta, the sums of its gradient are made on the way.
  void backward_data(gpu::Node& node) const {
    const graph::Edge& source = node.sources[0];
    gpu::GradientStatistics measurement{};
    if (source.only && gpu::node_of(source)->kernel->gradient_statistics(*gpu::node_of(source), &measurement) &&
        convolution_->backward_data_with_statistics(node.weights.copy, node.delta, node.input_delta(), measurement)) {
      gpu::node_of(source)->measured = true;
      return;
    }
    convolution_->backward_data(node.weights.copy, node.delta, node.input_delta(), source.adds());
  }

  const void* addend(const gpu::Node& node) const { return sums_ ? node.input(1) : nullptr; }

  void plain_forward(gpu::Node& node) const {
    convolution_->forward(node.input(), node.weights.copy, node.output);
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, node.size(),
           BiasBody<T>{static_cast<T*>(node.output), node.bias.value, static_cast<uint32_t>(node.out().channels),
                       activation_});
    });
  }

  void bias_gradient(gpu::Node& node) const {
    gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      const T* y = activation_ == math::Activation::kLinear ? nullptr : static_cast<const T*>(node.output);
      sum_columns<V>(*node.gpu, node.rows(), node.out().channels, node.partial, node.counters,
                     BiasGradientBody<T, V>{static_cast<T*>(node.delta), y, activation_, node.out().channels,
                                            node.learns ? node.bias.gradient : nullptr});
    });
  }

  math::Activation activation_;
  int size_, stride_, padding_, groups_;
  bool batch_normalize_;
  bool sums_ = false;  // adds its second source
  std::unique_ptr<gpu::Convolution> convolution_;
  BatchNorm batchnorm_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_convolutional(const graph::LayerConfig& layer) {
  math::Activation activation{};
  if (!math::find_activation(layer.options.text("activation"), &activation)) return nullptr;
  return std::make_unique<ConvolutionalKernel>(layer, activation);
}

}  // namespace dng::DNG_GPU
