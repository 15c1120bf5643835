#include "layers/connected_layer.h"

#include <dnnl.h>

#include <vector>

#include "base/error.h"
#include "engine/cpu/batchnorm_math.h"
#include "engine/kernel.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

// C = op(A) op(B) + beta C, row-major; op is the transpose where asked for. m, n, k: rows and columns of C, inner
// length.
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, const float* b, float beta,
              float* c) {
  const auto status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1, a, transpose_a ? m : k,
                                 b, transpose_b ? k : n, beta, c, n);
  if (status != dnnl_success) fail("oneDNN refused a product of %dx%d and %dx%d", m, k, k, n);
}

class ConnectedKernel final : public Kernel {
 public:
  ConnectedKernel(const LayerConfig& layer, Activation activation)
      : activation_(activation), batch_normalize_(layer.options.flag("batch_normalize")) {}

  Role role(const Node&) const override {
    Role role;
    role.reads_output = activation_ != Activation::kLinear;
    return role;
  }

  void prepare(Node* node) override {
    const std::vector<host::Block> blocks = node->host->blocks(node->index);
    bias_ = blocks[0];
    weights_ = blocks[1];
    if (!batch_normalize_) return;
    x_.resize(node->out_size() * static_cast<size_t>(node->batch));
    batchnorm_ = std::make_unique<BatchNorm>(blocks, Rows(node->config->out, Layout::kPlain), node->batch,
                                             host::traits().batchnorm.rolling_rate_connected);
  }

  void forward(Node& node, Pass& pass) override {
    if (!batch_normalize_) return run(node, node.batch, node.input(pass), node.output);
    const View x{x_.data(), node.out_size()};
    product(node, node.batch, node.input(pass), x_.data());
    batchnorm_->measure(x, {0, node.batch});
    batchnorm_->finish(pass.steps);
    batchnorm_->apply(x, node.batch, activation_, node.output);
  }

  void backward(Node& node, Pass& pass) override {
    const int inputs = static_cast<int>(node.in_size()), outputs = static_cast<int>(node.out_size());
    row_activation_gradient(node.output, node.out_size() * static_cast<size_t>(node.batch), activation_, node.delta);
    if (batch_normalize_) {
      const View x{x_.data(), node.out_size()}, delta{node.delta, node.out_size()};
      batchnorm_->gradient_sums(x, {0, node.batch}, Activation::kLinear, node.delta, node.out_size(), nullptr);
      batchnorm_->finish_gradient();
      batchnorm_->gradient(x, delta, node.batch, {node.delta, node.out_size(), false});
    } else {
      for (int b = 0; b < node.batch; ++b) {
        row_accumulate(node.delta + static_cast<size_t>(b) * node.out_size(), node.out_size(), bias_.update);
      }
    }
    multiply(true, false, outputs, inputs, node.batch, node.delta, node.input(pass), 1, weights_.update);
    if (node.input_delta() == nullptr) return;
    multiply(false, false, node.batch, inputs, outputs, node.delta, weights_.value, 1, node.input_delta());
  }

  void prepare_inference(Node&) override {
    if (batchnorm_) batchnorm_->fold(&factor_, &shift_);
  }
  void infer(const Node& node, Pass&, const Range& range, const View* inputs, float* output, size_t,
             Scratch*) override {
    if (!batch_normalize_) return run(node, range.count, inputs[0].data, output);
    product(node, range.count, inputs[0].data, output);
    for (size_t b = 0; b < static_cast<size_t>(range.count); ++b) {
      float* row = output + b * node.out_size();
      for (size_t i = 0; i < node.out_size(); ++i) row[i] = row[i] * factor_[i] + shift_[i];
      row_activation(row, node.out_size(), activation_);
    }
  }

 private:
  void product(const Node& node, int images, const float* input, float* output) const {
    const int inputs = static_cast<int>(node.in_size()), outputs = static_cast<int>(node.out_size());
    multiply(false, true, images, outputs, inputs, input, weights_.value, 0, output);
  }

  void run(const Node& node, int images, const float* input, float* output) const {
    product(node, images, input, output);
    for (int b = 0; b < images; ++b) {
      float* row = output + static_cast<size_t>(b) * node.out_size();
      row_accumulate(bias_.value, node.out_size(), row);
      if (activation_ != Activation::kLinear) row_activation(row, node.out_size(), activation_);
    }
  }

  Activation activation_;
  bool batch_normalize_;
  host::Block bias_, weights_;
  std::vector<float> x_;
  std::unique_ptr<BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
};

std::unique_ptr<Kernel> make_connected_kernel(const LayerConfig& layer) {
  Activation activation{};
  if (!find_activation(layer.options.text("activation"), &activation)) return std::make_unique<HostKernel>();
  return std::make_unique<ConnectedKernel>(layer, activation);
}

}  // namespace

Op connected_op() {
  Op op("connected", Op::Kind::kLayer, "every output from every input");
  op.alias("conn")
      .option(integer_option("output", "1", 1, 1 << 24, "number of outputs"))
      .option(activation_option("logistic"))
      .option(flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped([](LayerConfig* layer, const ShapeContext&) {
        layer->out = {layer->options.integer("output"), 1, 1};
      })
      .checked([](const LayerConfig& layer, const ShapeContext& context) {
        require_indexable_weights(layer, static_cast<double>(layer.in.size()) * layer.options.integer("output"),
                                  "output");
        require_working_activation(layer, false);
        if (layer.options.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
      })
      .kernel(Device::kCpu, make_connected_kernel);
  add_common_options(&op);
  return op;
}

}  // namespace dng
