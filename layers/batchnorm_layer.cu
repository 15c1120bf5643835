#include "gpu/batchnorm.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

class BatchnormKernel final : public gpu::Kernel {
 public:
  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }

  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs;
    needs.reads_output = false;
    needs.constants = BatchNorm::constants(node);
    return needs;
  }
  void prepare(const gpu::Node& node) override { batchnorm_ = BatchNorm(node, host::traits().batchnorm.rolling_rate); }

  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    batchnorm_.compute_statistics(node, pass, node.input());
    batchnorm_.apply(node, node.input(), nullptr, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    batchnorm_.gradient_sums(node, node.input(), activation_, false, nullptr, false);
    if (node.input_delta() == nullptr) return;
    batchnorm_.gradient(node, node.input(), activation_, false, node.input_delta(), node.sources[0].adds());
  }

  void prepare_inference(const gpu::Node& node) override { batchnorm_.fold(node); }
  void infer(const gpu::Node& node, const gpu::Pass&) override {
    batchnorm_.infer(node, node.input(), nullptr, activation_);
  }

 private:
  math::Activation activation_ = math::Activation::kLinear;
  BatchNorm batchnorm_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_batchnorm(const graph::LayerConfig&) { return std::make_unique<BatchnormKernel>(); }

}  // namespace dng::DNG_GPU
