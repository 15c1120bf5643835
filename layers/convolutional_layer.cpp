// [convolutional]: 2-D cross-correlation with bias or batch norm, then an activation. Weights
// [filters][channels / groups][size][size], which start normal with standard deviation
// sqrt(2 / (size size channels / groups)); output height = (height + 2 padding - size) / stride + 1.
//   forward   x = W * input; y = f(x + b), or f(batch norm(x))
//   backward  delta *= f'(y); batch norm's gradient, or b += sum(delta); W += delta * input; input delta += W^T * delta
// The CPU kernel convolves by Winograd's algorithm or by oneDNN (src/cpu/convolution/). Weights stay in Darknet's
// layout and are transformed for each pass, which is cheap beside it.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "cpu/convolution/batch_convolution.h"
#include "cpu/convolution/convolution.h"
#include "cpu/kernel.h"
#include "cpu/loops/batchnorm_math.h"
#include "cpu/loops/bias.h"
#include "cpu/workspace.h"
#include "layers/layer_options.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class ConvolutionalKernel final : public cpu::Kernel {
 public:
  ConvolutionalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), batch_normalize_(layer.options.flag("batch_normalize")) {
    shape_.size = layer.options.integer("size");
    shape_.stride = layer.options.integer("stride");
    shape_.padding = convolution_padding(layer.options);
    shape_.groups = layer.options.integer("groups");
    const int block = cpu::block_channels() * shape_.groups;
    blocks_hold_groups_ = layer.in.channels % block == 0 && layer.out.channels % block == 0;
  }

  // With groups, channels that padding added would be in the wrong group.
  cpu::LayoutUse layout_use() const override {
    return shape_.groups > 1 && !blocks_hold_groups_ ? cpu::LayoutUse::kPlain : cpu::LayoutUse::kEach;
  }
  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }
  bool can_subsample() const override { return shape_.size == 1 && shape_.stride == 1 && shape_.padding == 0; }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    const std::vector<host::Block> blocks = node.host->blocks(node.index);
    weights_ = blocks.back();
    bias_ = blocks.front();
    rows_ = cpu::Rows(node.config->out, node.layout);
    shape_.in = node.in;
    shape_.out = node.config->out;
    shape_.in_layout = node.in_layout();
    shape_.out_layout = node.layout;
    shape_.stride *= node.subsample;
    shape_.direct_only = setup.reference;
    if (batch_normalize_) {
      batchnorm_ = std::make_unique<cpu::BatchNorm>(blocks, rows_, node.batch, host::traits().batchnorm.rolling_rate);
    } else {
      biases_ = std::make_unique<cpu::Bias>(bias_, rows_, node.batch);
    }
    if (setup.trains) convolution_ = cpu::make_batch_convolution(shape_, node.batch, setup.threads);
  }

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = true;
    role.lazy = saves_input();
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = !saves_input() && activation_ != math::Activation::kLinear;
    role.saved = saves_input() ? rows_.size() : 0;
    role.workspace = convolution_ ? convolution_->workspace() : 0;
    return role;
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    float* x = saves_input() ? node.saved : node.output;
    convolution_->forward(node, pass, weights_.value, x, [&](const graph::Range& range) {
      float* images = x + range.offset(rows_.size());
      if (batchnorm_) return batchnorm_->add_statistics({images, rows_.size()}, range);
      biases_->apply(range.count, saves_input() ? math::Activation::kLinear : activation_, images);
    });
    if (batchnorm_) batchnorm_->finish(pass.steps);
  }

  void compute(const cpu::Node& node, const graph::Pass&, const graph::Range& range, float* output,
               cpu::Workspace*) override {
    if (batchnorm_) return batchnorm_->apply(saved(node, range), range.count, activation_, output);
    const size_t count = static_cast<size_t>(range.count) * rows_.size();
    std::copy_n(saved(node, range).data, count, output);
    cpu::row_activation(output, count, activation_);
  }

  void backward_epilogue(const cpu::Node& node, const graph::Pass&, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const size_t first = range.offset(rows_.size());
    float* delta = node.delta + first;
    if (batchnorm_) {
      return batchnorm_->gradient_sums(saved(node, range), range, activation_, delta, rows_.size(), workspace);
    }
    if (activation_ != math::Activation::kLinear) {
      const size_t count = static_cast<size_t>(range.count) * rows_.size();
      cpu::row_activation_gradient((saves_input() ? node.saved : node.output) + first, count, activation_, delta);
    }
    biases_->gradient_sums(range, delta);
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    if (batchnorm_) {
      batchnorm_->finish_gradient();
    } else {
      biases_->finish_gradient();
    }
    const auto gradient = [&](const graph::Range& range, cpu::Workspace* workspace) -> const float* {
      const float* delta = node.delta + range.offset(rows_.size());
      if (!batchnorm_) return delta;
      float* dx = workspace->take(static_cast<size_t>(range.count) * rows_.size());
      batchnorm_->gradient(saved(node, range), {delta, rows_.size()}, range.count, {dx, rows_.size(), false});
      return dx;
    };
    convolution_->backward(node, pass, weights_.value, gradient, weights_.update);
  }

  void prepare_inference(const cpu::Node& node) override {
    if (!inference_) {
      shape_.micro_batch = node.inference_micro_batch;
      inference_ = cpu::make_inference_convolution(shape_, activation_ == math::Activation::kRelu);
    }
    if (!batchnorm_) return inference_->set_weights(weights_.value, nullptr, bias_.value);
    batchnorm_->fold(&factor_, &shift_);
    inference_->set_weights(weights_.value, factor_.data(), shift_.data());
  }

  void infer(const cpu::Node&, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) override {
    inference_->forward(inputs[0].data, output, workspace);
    if (activation_ == math::Activation::kLinear || activation_ == math::Activation::kRelu) return;
    cpu::row_activation(output, static_cast<size_t>(images) * rows_.size(), activation_);
  }

 private:
  // What the activation gets, or batch norm before it; else the output alone is stored.
  bool saves_input() const { return batch_normalize_ || math::gradient_reads_input(activation_); }
  // The same for some images.
  cpu::View saved(const cpu::Node& node, const graph::Range& range) const {
    return {node.saved + range.offset(rows_.size()), rows_.size()};
  }

  math::Activation activation_;
  bool batch_normalize_, blocks_hold_groups_;
  cpu::ConvolutionShape shape_;
  cpu::Rows rows_;
  host::Block weights_, bias_;
  std::unique_ptr<cpu::BatchConvolution> convolution_;
  std::unique_ptr<cpu::InferenceConvolution> inference_;
  // One of the two.
  std::unique_ptr<cpu::BatchNorm> batchnorm_;
  std::unique_ptr<cpu::Bias> biases_;
  std::vector<float> factor_, shift_;  // of the inference
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer->options;
  const int padding = 2 * convolution_padding(o), size = o.integer("size"), stride = o.integer("stride");
  layer->out = {o.integer("filters"), window_count(*layer, layer->in.height, padding, size, stride),
                window_count(*layer, layer->in.width, padding, size, stride)};
}

void check(const graph::LayerConfig& layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer.options;
  const int groups = o.integer("groups");
  if (layer.in.channels % groups != 0 || layer.out.channels % groups != 0) {
    fail("%s: must divide the %d input channels and the %d filters", o.where("groups").c_str(), layer.in.channels,
         layer.out.channels);
  }
  const double window = static_cast<double>(o.integer("size")) * o.integer("size");
  require_indexable_weights(layer, window * layer.in.channels / groups * layer.out.channels, "filters");
  if (o.flag("pad") && o.given("padding") && o.integer("padding") != o.integer("size") / 2) {
    fail("%s: pad=1 means padding=%d; keep one of them", o.where("padding").c_str(), o.integer("size") / 2);
  }
  if (o.integer("size") == 1 && convolution_padding(o) > 0) {
    fail("%s: a 1x1 convolution cannot be padded: the stock darknet ignores it and would evaluate otherwise; remove it",
         o.where("padding").c_str());
  }
  if (o.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
}

}  // namespace

graph::Op convolutional_op() {
  graph::Op op("convolutional", graph::Op::Kind::kLayer, "2-D convolution");
  op.alias("conv")
      .option(cfg::integer_option("filters", "1", 1, 1 << 20, "output channels"))
      .option(cfg::integer_option("size", "1", 1, 1 << 10, "height and width of the window"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(cfg::flag_option("pad", "0", "1: padding of size / 2 on every side"))
      .option(cfg::integer_option("padding", "0", 0, 1 << 10, "padding on every side, where pad=0"))
      .option(cfg::integer_option("groups", "1", 1, 1 << 20, "groups of channels; divides channels and filters"))
      .option(activation_option("logistic"))
      .option(cfg::flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped(shape)
      .checked(check)
      .stand_in(with_known_activation)
      .kernel(make_with_activation<ConvolutionalKernel>);
  for (const char* key :
       {"xnor", "binary", "bin_output", "antialiasing", "dilation", "stride_x", "stride_y", "share_index",
        "assisted_excitation", "sway", "rotate", "stretch", "stretch_sway", "flipped", "dot", "coordconv", "deform"}) {
    op.refuse(key, "this program does not train such convolutions; remove it");
  }
  return op;
}

}  // namespace dng::layers
