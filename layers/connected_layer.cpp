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

// oneDNN's kernels would waste their vectors on narrower stripes, and every stripe packs the other matrix again.
constexpr int kMinWidth = 96;

// C = A op(B) + beta C on all threads, for a row of A and C for each image, in stripes along the longer side of a
// shard's C: of a narrow one, B is in the cache for all shards.
void multiply_images(const cpu::Shards& shards, int n, int k, Matrix a, Matrix b, float beta, float* c) {
  const int m = shards.images, longer = std::max(m, n);
  const int quarter = (longer + cpu::kMinMicroBatches - 1) / cpu::kMinMicroBatches;
  const int width = shards.all == 1 ? std::max(kMinWidth, quarter) : kMinWidth;
  cpu::for_tasks((longer + width - 1) / width * shards.count, [&](int task, cpu::Workspace&) {
    const int shard = task % shards.count * m, first = task / shards.count * width;
    const int count = std::min(width, longer - first);
    const Matrix images = a.rows_from(shard);
    float* to = c + static_cast<size_t>(shard) * static_cast<size_t>(n);
    if (m > n) {
      multiply(count, n, k, images.rows_from(first), b, beta, to + static_cast<size_t>(first) * static_cast<size_t>(n),
               n);
    } else {
      multiply(m, count, k, images, b.columns_from(first), beta, to + first, n);
    }
  });
}

// C += A^T B on all threads, for a row of A (of m) and B (of n) for each image: the products of the shards are added,
// then their sum, stripe by stripe along the longer side of C.
void add_products(const cpu::Shards& shards, int m, int n, const float* a, const float* b, float* c) {
  cpu::for_ranges(std::max(m, n), kMinWidth, [&](const graph::Range& stripe, cpu::Workspace& workspace) {
    const bool by_rows = m > n;
    const int rows = by_rows ? stripe.count : m, columns = by_rows ? n : stripe.count;
    const size_t size = static_cast<size_t>(rows) * static_cast<size_t>(columns);
    float* products = workspace.take(static_cast<size_t>(shards.count) * size);
    for (int s = 0; s < shards.count; ++s) {
      const Matrix left{a + static_cast<size_t>(s * shards.images) * static_cast<size_t>(m), m, true};
      const Matrix right{b + static_cast<size_t>(s * shards.images) * static_cast<size_t>(n), n, false};
      multiply(rows, columns, shards.images, by_rows ? left.rows_from(stripe.first) : left,
               by_rows ? right : right.columns_from(stripe.first), 0, products + static_cast<size_t>(s) * size,
               columns);
    }
    cpu::add_shards(shards.count, size, products);
    float* to = c + static_cast<size_t>(stripe.first) * (by_rows ? static_cast<size_t>(n) : 1);
    for (int row = 0; row < rows; ++row, to += n, products += columns) {
      cpu::row_accumulate(products, static_cast<size_t>(columns), to);
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
    shards_ = setup.shards;
    bias_ = blocks[0];
    weights_ = blocks[1];
    if (math::gradient_reads_input(activation_) && setup.trains) {
      before_.resize(node.out_size() * static_cast<size_t>(node.batch));
    }
    if (!batch_normalize_) return;
    x_.resize(node.out_size() * static_cast<size_t>(node.batch));
    batchnorm_ = std::make_unique<cpu::BatchNorm>(blocks, cpu::Rows(node.config->out, cpu::Layout::kPlain), shards_,
                                                  host::traits().batchnorm.rolling_rate_connected, setup.ranks);
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
      add_bias_gradient(node);
    }
    add_products(shards_, outputs, inputs, node.delta, node.input(pass), weights_.update);
    if (node.input_delta() == nullptr) return;
    multiply_images(shards_, inputs, outputs, {node.delta, outputs, false}, {weights_.value, inputs, false}, 1,
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
    multiply_images(shards_, outputs, inputs, {input, inputs, false}, {weights_.value, inputs, true}, 0, output);
  }

  void add_bias(const cpu::Node& node, int images, float* output) const {
    for (int b = 0; b < images; ++b) {
      cpu::row_accumulate(bias_.value, node.out_size(), output + static_cast<size_t>(b) * node.out_size());
    }
  }

  void add_bias_gradient(const cpu::Node& node) const {
    const size_t outputs = node.out_size();
    std::vector<float> sums(static_cast<size_t>(shards_.count) * outputs);
    for (int b = 0; b < node.batch; ++b) {
      cpu::row_accumulate(node.delta + static_cast<size_t>(b) * outputs, outputs,
                          sums.data() + static_cast<size_t>(b / shards_.images) * outputs);
    }
    cpu::add_shards(shards_.count, outputs, sums.data());
    cpu::row_accumulate(sums.data(), outputs, bias_.update);
  }

  math::Activation activation_;
  bool batch_normalize_;
  cpu::Shards shards_;
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
