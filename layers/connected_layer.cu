// The GPU kernel of [connected]: cuBLAS multiplies, into float. Weights are [output][y][x][channel], in the order of
// the input.
#include "gpu/batchnorm.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

class ConnectedKernel final : public gpu::Kernel {
 public:
  ConnectedKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), batch_normalize_(layer.options.flag("batch_normalize")) {}

  gpu::Needs needs(const gpu::Node& node) const override {
    const size_t outputs = node.size(), inputs = static_cast<size_t>(node.batch) * node.in.size();
    gpu::Needs needs;
    needs.float_output = true;
    needs.reads_output = activation_ != math::Activation::kLinear && !saves_product();
    needs.saved = saves_product() ? outputs * gpu::bytes_of(node.type) : 0;
    needs.constants = batch_normalize_ ? BatchNorm::constants(node) : 0;
    // A product in float, and delta in the type of the input.
    needs.workspace = sizeof(float) * (std::max(outputs, inputs) + outputs);
    return needs;
  }
  void prepare(const gpu::Node& node) override {
    if (batch_normalize_) batchnorm_ = BatchNorm(node, host::traits().batchnorm.rolling_rate_connected);
  }

  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    void* x = saves_product() ? node.saved : node.output;
    product(node, x);
    if (!batch_normalize_) return add_bias(node, x, activation_);
    batchnorm_.compute_statistics(node, pass, node.saved);
    batchnorm_.apply(node, node.saved, nullptr, activation_);
  }

  void backward(const gpu::Node& node, const gpu::Pass&) override {
    if (batch_normalize_) {
      batchnorm_.gradient_sums(node, node.saved, activation_, false, nullptr, false);
      batchnorm_.gradient(node, node.saved, activation_, false, node.delta, false);
    } else {
      bias_gradient(node, node.saved, activation_, 1);
    }
    gpu::Gpu& gpu = *node.gpu;
    const int inputs = static_cast<int>(node.in.size()), outputs = node.out().channels;
    const gpu::Type type = node.type_of(0);
    const void* delta = node.delta;
    float* workspace = static_cast<float*>(node.workspace);
    if (node.type != type) {
      void* converted = workspace + std::max(node.size(), static_cast<size_t>(node.batch) * node.in.size());
      convert(gpu, static_cast<const float*>(node.delta), converted, type, node.size(), false);
      delta = converted;
    }
    gpu::Product p;
    p.type = type;
    p.precision = node.precision;
    p.transpose_a = true;
    p.m = outputs;
    p.n = inputs;
    p.k = node.batch;
    p.a = delta;
    p.b = node.input();
    p.c = node.weights.gradient;
    p.add = true;
    gpu.multiply(p);
    void* to = node.input_delta();
    if (to == nullptr) return;
    const bool straight = type == gpu::Type::kFloat;
    p.transpose_a = false;
    p.m = node.batch;
    p.n = inputs;
    p.k = outputs;
    p.a = delta;
    p.b = node.weights.copy;
    p.c = straight ? static_cast<float*>(to) : workspace;
    p.add = straight && node.sources[0].adds();
    gpu.multiply(p);
    if (!straight) {
      convert(gpu, workspace, to, type, static_cast<size_t>(node.batch) * node.in.size(), node.sources[0].adds());
    }
  }

  void prepare_inference(const gpu::Node& node) override {
    if (batch_normalize_) batchnorm_.fold(node);
  }
  void infer(const gpu::Node& node, const gpu::Pass&) override {
    product(node, node.output);
    if (!batch_normalize_) return add_bias(node, node.output, activation_);
    batchnorm_.infer(node, node.output, nullptr, activation_);
  }

 private:
  // The product alone, in the type of the node.
  void product(const gpu::Node& node, void* x) const {
    const bool straight = node.type == gpu::Type::kFloat;
    gpu::Product p;
    p.transpose_b = true;
    p.m = node.batch;
    p.n = node.out().channels;
    p.k = static_cast<int>(node.in.size());
    p.type = node.type_of(0);
    p.precision = node.precision;
    p.a = node.input();
    p.b = node.weights.copy;
    p.c = straight ? static_cast<float*>(x) : static_cast<float*>(node.workspace);
    node.gpu->multiply(p);
    if (!straight) convert(*node.gpu, static_cast<const float*>(node.workspace), x, node.type, node.size(), false);
  }

  // Before the bias or batch norm.
  bool saves_product() const { return batch_normalize_ || math::gradient_reads_input(activation_); }

  math::Activation activation_;
  bool batch_normalize_;
  BatchNorm batchnorm_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_connected(const graph::LayerConfig& layer) {
  return layers::make_with_activation<ConnectedKernel>(layer);
}

}  // namespace dng::DNG_GPU
