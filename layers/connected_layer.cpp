// [connected]: output = f(W input + b), optionally with batch norm over the batch. W is [output][inputs]; it starts
// uniform in +-sqrt(2 / inputs). Products are oneDNN's.
#include <dnnl.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/loops/batchnorm_math.h"
#include "cpu/parallel.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

// A matrix by rows, and the length of a row in memory; op() of it is its transpose where asked for.
struct Matrix {
  const float* data;
  int row;
  bool transpose;

  // op() without its first rows.
  Matrix rows_from(int first) const {
    return {data + (transpose ? first : static_cast<size_t>(first) * static_cast<size_t>(row)), row, transpose};
  }
  Matrix columns_from(int first) const {
    return {data + (transpose ? static_cast<size_t>(first) * static_cast<size_t>(row) : first), row, transpose};
  }
};

// C = op(A) op(B) + beta C, on the calling thread. m, n, k: rows and columns of C, inner length; row: of C in memory.
void multiply(int m, int n, int k, Matrix a, Matrix b, float beta, float* c, int row) {
  // oneDNN cuts products for the threads it has, on some processors along the inner length; on one it adds in one
  // order.
  const cpu::OneThread alone;
  const auto status = dnnl_sgemm(a.transpose ? 'T' : 'N', b.transpose ? 'T' : 'N', m, n, k, 1, a.data, a.row, b.data,
                                 b.row, beta, c, row);
  if (status != dnnl_success) fail("oneDNN refused a product of %dx%d and %dx%d", m, k, k, n);
}

// The same on all threads, for a C of m rows of n, in stripes along its longer side. Each is kMinWidth wide at least:
// oneDNN's kernels would waste their vectors on less, and every stripe packs the other matrix again.
void multiply_in_stripes(int threads, int m, int n, int k, Matrix a, Matrix b, float beta, float* c) {
  constexpr int kMinWidth = 96;
  const int longer = std::max(m, n), micro_batches = cpu::least_micro_batches(threads);
  cpu::for_ranges(longer, std::max(kMinWidth, (longer + micro_batches - 1) / micro_batches),
                  [&](const graph::Range& stripe, cpu::Workspace&) {
                    if (m > n) {
                      multiply(stripe.count, n, k, a.rows_from(stripe.first), b, beta,
                               c + static_cast<size_t>(stripe.first) * static_cast<size_t>(n), n);
                    } else {
                      multiply(m, stripe.count, k, a, b.columns_from(stripe.first), beta, c + stripe.first, n);
                    }
                  });
}

class ConnectedKernel final : public cpu::Kernel {
 public:
  ConnectedKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), batch_normalize_(layer.options.flag("batch_normalize")) {}

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = activation_ != math::Activation::kLinear && !math::gradient_reads_input(activation_);
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    const std::vector<host::Block>& blocks = *node.blocks;
    threads_ = setup.threads;
    bias_ = blocks[0];
    weights_ = blocks[1];
    if (math::gradient_reads_input(activation_) && setup.trains) {
      before_.resize(node.out_size() * static_cast<size_t>(node.batch));
    }
    if (!batch_normalize_) return;
    x_.resize(node.out_size() * static_cast<size_t>(node.batch));
    batchnorm_ = std::make_unique<cpu::BatchNorm>(blocks, cpu::Rows(node.config->out, cpu::Layout::kPlain), node.batch,
                                                  host::traits().batchnorm.rolling_rate_connected);
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    if (batch_normalize_) {
      const cpu::View x{x_.data(), node.out_size()};
      product(node, node.input(pass), x_.data());
      batchnorm_->add_statistics(x, {0, node.batch});
      batchnorm_->finish(pass.steps);
      batchnorm_->apply(x, node.batch, math::Activation::kLinear, node.output);
    } else {
      product(node, node.input(pass), node.output);
      add_bias(node, node.batch, node.output);
    }
    std::copy_n(node.output, before_.size(), before_.begin());
    cpu::row_activation(node.output, node.out_size() * static_cast<size_t>(node.batch), activation_);
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    const int inputs = static_cast<int>(node.in_size()), outputs = static_cast<int>(node.out_size());
    cpu::row_activation_gradient(before_.empty() ? node.output : before_.data(),
                                 node.out_size() * static_cast<size_t>(node.batch), activation_, node.delta);
    if (batch_normalize_) {
      const cpu::View x{x_.data(), node.out_size()}, delta{node.delta, node.out_size()};
      batchnorm_->gradient_sums(x, {0, node.batch}, math::Activation::kLinear, node.delta, node.out_size(), nullptr);
      batchnorm_->finish_gradient();
      batchnorm_->gradient(x, delta, node.batch, {node.delta, node.out_size(), false});
    } else {
      for (int b = 0; b < node.batch; ++b) {
        cpu::row_accumulate(node.delta + static_cast<size_t>(b) * node.out_size(), node.out_size(), bias_.update);
      }
    }
    const Matrix input{node.input(pass), inputs, false}, weights{weights_.value, inputs, false};
    multiply_in_stripes(threads_, outputs, inputs, node.batch, {node.delta, outputs, true}, input, 1, weights_.update);
    if (node.input_delta() == nullptr) return;
    multiply_in_stripes(threads_, node.batch, inputs, outputs, {node.delta, outputs, false}, weights, 1,
                        node.input_delta());
  }

  void prepare_inference(const cpu::Node&) override {
    if (batchnorm_) batchnorm_->fold(&factor_, &shift_);
  }
  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    const int length = static_cast<int>(node.in_size()), outputs = static_cast<int>(node.out_size());
    multiply(images, outputs, length, {inputs[0].data, length, false}, {weights_.value, length, true}, 0, output,
             outputs);
    if (!batch_normalize_) add_bias(node, images, output);
    for (size_t b = 0; batch_normalize_ && b < static_cast<size_t>(images); ++b) {
      float* row = output + b * node.out_size();
      for (size_t i = 0; i < node.out_size(); ++i) row[i] = row[i] * factor_[i] + shift_[i];
    }
    cpu::row_activation(output, node.out_size() * static_cast<size_t>(images), activation_);
  }

 private:
  void product(const cpu::Node& node, const float* input, float* output) const {
    const int inputs = static_cast<int>(node.in_size()), outputs = static_cast<int>(node.out_size());
    multiply_in_stripes(threads_, node.batch, outputs, inputs, {input, inputs, false}, {weights_.value, inputs, true},
                        0, output);
  }

  void add_bias(const cpu::Node& node, int images, float* output) const {
    for (int b = 0; b < images; ++b) {
      cpu::row_accumulate(bias_.value, node.out_size(), output + static_cast<size_t>(b) * node.out_size());
    }
  }

  math::Activation activation_;
  bool batch_normalize_;
  int threads_ = 1;
  host::Block bias_, weights_;
  std::vector<float> x_;       // batch norm's input
  std::vector<float> before_;  // the activation's input, where its gradient needs that
  std::unique_ptr<cpu::BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
};

}  // namespace

graph::Op connected_op() {
  return graph::Op("connected", graph::Op::Kind::kLayer, "every output from every input")
      .alias("conn")
      .option(cfg::integer_option("output", "1", 1, 1 << 24, "number of outputs"))
      .option(activation_option("logistic"))
      .option(cfg::flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        layer->out = {layer->options.integer("output"), 1, 1};
      })
      .checked([](const graph::LayerConfig& layer, const graph::ShapeContext& context) {
        require_indexable_weights(layer, static_cast<double>(layer.in.size()) * layer.options.integer("output"),
                                  "output");
        if (layer.options.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
      })
      .stand_in(with_known_activation)
      .kernel(make_with_activation<ConnectedKernel>);
}

}  // namespace dng::layers
