// [convolutional]: 2-D cross-correlation with bias or batch norm, then an activation. Weights
// [filters][channels / groups][size][size], which start normal with standard deviation
// sqrt(2 / (size size channels / groups)); output height = (height + 2 padding - dilation (size - 1) - 1) / stride + 1.
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
#include "layers/antialiasing.h"
#include "layers/convolution_options.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class ConvolutionalKernel final : public cpu::Kernel {
 public:
  ConvolutionalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), batch_normalize_(layer.options.flag("batch_normalize")) {
    const ConvolutionWindow window = convolution_window(layer.options);
    shape_.size = window.size;
    shape_.stride_y = window.stride_y;
    shape_.stride_x = window.stride_x;
    shape_.dilation = window.dilation;
    shape_.padding = window.padding;
    shape_.groups = layer.options.integer("groups");
    shape_.in = layer.in;
    shape_.out = layer.out;
  }

  // With groups, channels that padding added would be in the wrong group; of a depthwise convolution each is one.
  cpu::LayoutUse layout_use() const override {
    if (shape_.groups_fit_blocks()) return cpu::LayoutUse::kEach;
    return shape_.depthwise() ? cpu::LayoutUse::kSame : cpu::LayoutUse::kPlain;
  }
  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }
  bool can_subsample() const override { return shape_.size == 1 && !shape_.strides() && shape_.padding == 0; }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    const std::vector<host::Block>& blocks = *node.blocks;
    weights_ = blocks.back();
    bias_ = blocks.front();
    rows_ = cpu::Rows(node.config->out, node.layout);
    shape_.in = node.in;
    shape_.out = node.config->out;
    shape_.in_layout = node.in_layout();
    shape_.out_layout = node.layout;
    shape_.stride_y *= node.subsample;
    shape_.stride_x *= node.subsample;
    shape_.direct_only = setup.reference;
    if (batch_normalize_) {
      batchnorm_ = std::make_unique<cpu::BatchNorm>(blocks, rows_, setup.shards, host::traits().batchnorm.rolling_rate,
                                                    setup.ranks);
    } else {
      biases_ = std::make_unique<cpu::Bias>(bias_, rows_, setup.shards);
    }
    if (setup.trains) convolution_ = cpu::make_batch_convolution(shape_, setup.shards);
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
  bool batch_normalize_;
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

void check(const graph::LayerConfig& layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer.options;
  const int groups = o.integer("groups");
  if (layer.in.channels % groups != 0 || layer.out.channels % groups != 0) {
    fail("%s: must divide the %d input channels and the %d filters", o.where("groups").c_str(), layer.in.channels,
         layer.out.channels);
  }
  const double window = static_cast<double>(o.integer("size")) * o.integer("size");
  require_indexable_weights(layer, window * layer.in.channels / groups * layer.out.channels, "filters");
  check_convolution_window(layer);
  if (o.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
}

// The fork knows strides and dilation, but counts the output of antialiasing=1 without its strides.
std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  std::vector<cfg::CfgSection> sections = with_known_activation(layer);
  const ConvolutionWindow window = convolution_window(layer.options);
  const bool plain = window.stride_y == window.stride_x && window.dilation == 1 && !antialiased(layer);
  if (plain && !layer.options.given("stride_y") && !layer.options.given("stride_x")) return sections;
  if (!antialiased(layer) && host::traits().has_maxpool_depth) return sections;
  std::vector<cfg::CfgEntry>* entries = &sections[0].entries;
  const std::vector<std::string> window_keys = {"stride", "stride_y", "stride_x", "dilation", "antialiasing"};
  entries->erase(std::remove_if(entries->begin(), entries->end(),
                                [&](const cfg::CfgEntry& entry) {
                                  return std::count(window_keys.begin(), window_keys.end(), entry.key) > 0;
                                }),
                 entries->end());
  graph::LayerConfig unstrided = layer;
  for (const char* key : {"stride", "stride_y", "stride_x", "dilation"}) unstrided.options.set(key, "1");
  const data::Geometry made = convolution_output(unstrided);
  if (made.size() != layer.out.size()) append(reshaping(made, layer.out), &sections);
  return sections;
}

std::unique_ptr<graph::Kernel> make_kernel(const graph::LayerConfig& layer) {
  return make_antialiased(layer, convolution_output, make_with_activation<ConvolutionalKernel>);
}

}  // namespace

graph::Op convolutional_op() {
  graph::Op op("convolutional", graph::Op::Kind::kLayer, "2-D convolution");
  op.alias("conv");
  add_convolution_options(&op);
  op.option(antialiasing_option())
      .option(activation_option("logistic"))
      .option(cfg::flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        layer->out = antialiased_shape(*layer, convolution_output);
      })
      .checked(check)
      .stand_in(stand_in)
      .kernel(make_kernel);
  for (const char* key : {"xnor", "binary", "bin_output"}) {
    op.refuse(key,
              "networks of binary weights are not trained here; remove it from all sections, which trains the same "
              "layers with float weights, or train with Darknet's own program");
  }
  op.refuse("cbn",
            "batch norm across updates is not computed here; write batch_normalize=1, which normalises each batch");
  for (const char* key : {"share_index", "assisted_excitation", "sway", "rotate", "stretch", "stretch_sway", "flipped",
                          "dot", "coordconv", "deform", "grad_centr", "reverse"}) {
    op.refuse(key, "this program does not train such convolutions; remove it");
  }
  return op;
}

}  // namespace dng::layers
