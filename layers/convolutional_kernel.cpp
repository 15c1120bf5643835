#include "layers/convolutional_kernel.h"

#include <algorithm>

#include "engine/cpu/batchnorm_math.h"
#include "engine/cpu/dnnl_memory.h"
#include "layers/convolutional_layer.h"

namespace dng {
namespace {

using dnnl::algorithm;
using dnnl::memory;

class ConvolutionalKernel final : public Kernel {
 public:
  ConvolutionalKernel(const LayerConfig& layer, Activation activation)
      : activation_(activation),
        size_(layer.options.integer("size")),
        stride_(layer.options.integer("stride")),
        padding_(convolution_padding(layer.options)),
        groups_(layer.options.integer("groups")),
        batch_normalize_(layer.options.flag("batch_normalize")) {}

  LayoutUse layout_use() const override { return LayoutUse::kEach; }

  void prepare(Node* node) override {
    const Geometry &in = node->config->in, &out = node->config->out;
    const memory::desc any_src({node->batch, in.channels, in.height, in.width}, kType, memory::format_tag::any);
    const memory::desc any_dst({node->batch, out.channels, out.height, out.width}, kType, memory::format_tag::any);
    const memory::dims weight_dims =
        groups_ > 1 ? memory::dims{groups_, out.channels / groups_, in.channels / groups_, size_, size_}
                    : memory::dims{out.channels, in.channels, size_, size_};
    const memory::desc any_weights(weight_dims, kType, memory::format_tag::any);
    plain_weights_ =
        memory::desc(weight_dims, kType, groups_ > 1 ? memory::format_tag::goihw : memory::format_tag::oihw);
    const memory::dims strides{stride_, stride_};
    const memory::dims padding{padding_, padding_};
    const auto direct = algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, direct, any_src, any_weights, any_dst, strides, padding, padding},
        dnnl_engine());
    const dnnl::convolution_backward_data::primitive_desc data(
        {direct, any_src, any_weights, any_dst, strides, padding, padding}, dnnl_engine(), forward);
    const dnnl::convolution_backward_weights::primitive_desc weights(
        {direct, any_src, any_weights, any_dst, strides, padding, padding}, dnnl_engine(), forward);
    forward_ = dnnl::convolution_forward(forward);
    backward_data_ = dnnl::convolution_backward_data(data);
    backward_weights_ = dnnl::convolution_backward_weights(weights);

    const Layout source_layout = node->sources[0] == nullptr ? Layout::kPlain : node->sources[0]->layout;
    const memory::desc src = activation_desc(in, node->batch, source_layout);
    const memory::desc dst = activation_desc(out, node->batch, node->layout);
    forward_src_ = {src, forward.src_desc()};
    forward_weights_ = {plain_weights_, forward.weights_desc()};
    forward_dst_ = {forward.dst_desc(), dst};
    data_weights_ = {plain_weights_, data.weights_desc()};
    data_diff_dst_ = {dst, data.diff_dst_desc()};
    data_diff_src_ = {data.diff_src_desc(), src};
    weights_src_ = {src, weights.src_desc()};
    weights_diff_dst_ = {dst, weights.diff_dst_desc()};
    weights_diff_ = {weights.diff_weights_desc(), plain_weights_};
    descs_ = {forward.src_desc(),  forward.weights_desc(),  forward.dst_desc(),
              data.weights_desc(), data.diff_dst_desc(),    data.diff_src_desc(),
              weights.src_desc(),  weights.diff_dst_desc(), weights.diff_weights_desc()};
    if (forward_dst_.needed()) raw_dst_.resize(forward.dst_desc().get_size() / sizeof(float));
    if (data_diff_src_.needed()) raw_diff_src_.resize(data.diff_src_desc().get_size() / sizeof(float));
    raw_diff_weights_.resize(weights.diff_weights_desc().get_size() / sizeof(float));

    const std::vector<host::Block> blocks = node->host->blocks(node->index);
    weights_ = blocks.back();
    bias_ = blocks.front();
    rows_ = std::make_unique<Rows>(out, node->batch, node->layout);
    if (batch_normalize_) {
      x_.resize(node->out_size() * static_cast<size_t>(node->batch));
      batchnorm_ = std::make_unique<BatchNorm>(blocks, *rows_, host::traits().batchnorm.rolling_rate);
    } else {
      partial_.resize(static_cast<size_t>(out.channels) * static_cast<size_t>(node->batch));
    }
  }

  void forward(Node& node, Pass& pass) override {
    float* input = const_cast<float*>(node.input(pass));
    float* x = batch_normalize_ ? x_.data() : node.output;
    float* raw = forward_dst_.needed() ? raw_dst_.data() : x;
    forward_.execute(dnnl_stream(), {{DNNL_ARG_SRC, at(descs_[0], forward_src_.run(input))},
                                     {DNNL_ARG_WEIGHTS, at(descs_[1], forward_weights_.run(weights_.value))},
                                     {DNNL_ARG_DST, at(descs_[2], raw)}});
    dnnl_stream().wait();
    if (forward_dst_.needed()) forward_dst_.run(raw, x);
    if (batch_normalize_) {
      batchnorm_->forward(x, pass, activation_, node.output);
    } else {
      add_bias(x, node.output);
    }
  }

  void backward(Node& node, Pass& pass) override {
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      row_activation_gradient(node.output + rows_->offset(row), rows_->length(), activation_,
                              node.delta + rows_->offset(row));
    }
    if (batch_normalize_) {
      batchnorm_->backward(x_.data(), node.delta);
    } else {
      bias_gradient(node.delta);
    }
    float* input = const_cast<float*>(node.input(pass));
    backward_weights_.execute(dnnl_stream(), {{DNNL_ARG_SRC, at(descs_[6], weights_src_.run(input))},
                                              {DNNL_ARG_DIFF_DST, at(descs_[7], weights_diff_dst_.run(node.delta))},
                                              {DNNL_ARG_DIFF_WEIGHTS, at(descs_[8], raw_diff_weights_.data())}});
    dnnl_stream().wait();
    const float* gradient = weights_diff_.run(raw_diff_weights_.data());
    row_accumulate(gradient, static_cast<size_t>(weights_.count), weights_.update);
    if (node.input_delta() != nullptr) propagate(node);
  }

 private:
  static constexpr auto kType = memory::data_type::f32;

  static memory at(const memory::desc& desc, float* data) { return memory(desc, dnnl_engine(), data); }

  void propagate(Node& node) {
    // Straight into the source's delta where nobody has added to it yet and the layouts agree.
    const size_t count = node.in_size() * static_cast<size_t>(node.batch);
    const bool straight = node.alone && !data_diff_src_.needed();
    if (!straight && raw_diff_src_.empty()) raw_diff_src_.resize(count);
    float* target = straight ? node.input_delta() : raw_diff_src_.data();
    backward_data_.execute(dnnl_stream(), {{DNNL_ARG_WEIGHTS, at(descs_[3], data_weights_.run(weights_.value))},
                                           {DNNL_ARG_DIFF_DST, at(descs_[4], data_diff_dst_.run(node.delta))},
                                           {DNNL_ARG_DIFF_SRC, at(descs_[5], target)}});
    dnnl_stream().wait();
    if (straight) return;
    const float* gradient = data_diff_src_.run(target);
    const size_t step = node.in_size();
#pragma omp parallel for
    for (int b = 0; b < node.batch; ++b) {
      row_accumulate(gradient + static_cast<size_t>(b) * step, step,
                     node.input_delta() + static_cast<size_t>(b) * step);
    }
  }

  void add_bias(const float* x, float* y) const {
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      const float zero[kLanes] = {};
      float one[kLanes], shift[kLanes];
      std::fill(one, one + kLanes, 1.0f);
      for (int l = 0; l < kLanes; ++l) shift[l] = bias_.value[rows_->channel(row) + (rows_->block > 1 ? l : 0)];
      row_affine(x + rows_->offset(row), rows_->length(), zero, one, shift, activation_, y + rows_->offset(row));
    }
  }

  void bias_gradient(const float* delta) {
#pragma omp parallel for
    for (int row = 0; row < rows_->count(); ++row) {
      float acc[kLanes] = {};
      row_sum(delta + rows_->offset(row), rows_->length(), acc);
      double* to = partial_.data() + static_cast<size_t>(rows_->image(row)) * rows_->channels + rows_->channel(row);
      double sum = 0;
      for (int l = 0; l < kLanes; ++l) {
        if (rows_->block > 1) to[l] = acc[l];
        sum += acc[l];
      }
      if (rows_->block == 1) *to = sum;
    }
    for (int c = 0; c < rows_->channels; ++c) {
      double sum = 0;
      for (int b = 0; b < rows_->batch; ++b) sum += partial_[static_cast<size_t>(b) * rows_->channels + c];
      bias_.update[c] += static_cast<float>(sum);
    }
  }

  Activation activation_;
  int size_, stride_, padding_, groups_;
  bool batch_normalize_;
  memory::desc plain_weights_;
  dnnl::convolution_forward forward_;
  dnnl::convolution_backward_data backward_data_;
  dnnl::convolution_backward_weights backward_weights_;
  Reorder forward_src_, forward_weights_, forward_dst_, data_weights_, data_diff_dst_, data_diff_src_, weights_src_,
      weights_diff_dst_, weights_diff_;
  std::vector<memory::desc> descs_;  // forward src, weights, dst; data weights, diff dst, diff src; weights src, diff
                                     // dst, diff weights
  std::vector<float> raw_dst_, raw_diff_src_, raw_diff_weights_, x_;
  std::vector<double> partial_;
  host::Block weights_, bias_;
  std::unique_ptr<Rows> rows_;
  std::unique_ptr<BatchNorm> batchnorm_;
};

}  // namespace

std::unique_ptr<Kernel> make_convolutional_kernel(const LayerConfig& layer) {
  Activation activation{};
  if (!find_activation(layer.options.text("activation"), &activation)) return std::make_unique<HostKernel>();
  return std::make_unique<ConvolutionalKernel>(layer, activation);
}

}  // namespace dng
