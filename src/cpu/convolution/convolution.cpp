#include "cpu/convolution/convolution.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/instructions.h"
#include "cpu/convolution/dnnl_api.h"
#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

using dnnl::algorithm;
using dnnl::memory;

constexpr auto kType = memory::data_type::f32;
constexpr auto kDirect = algorithm::convolution_direct;

memory::desc any_layout(const data::Geometry& shape, int micro_batch, Layout layout) {
  return {{micro_batch, Rows(shape, layout).channels, shape.height, shape.width}, kType, memory::format_tag::any};
}

// Weights are transformed once for all micro-batches, but take four times the memory when they are read. Measured from
// 16 to 512 channels and from 2 tiles on: twice as fast as oneDNN's kernels, its own Winograd included, with a tile for
// every 32 channels, with AVX-512 for every 16.
bool winograd_pays(const ConvolutionShape& shape) {
  const int channels_of_a_tile = instructions() == Instructions::kAvx512 ? 16 : 32;
  return winograd_fits(shape) && channels_of_a_tile * shape.micro_batch * winograd_tiles(shape.out) >=
                                     std::min(shape.stored_in(), shape.stored_out());
}

// Input and output of a micro-batch, in our layouts or in those that a primitive likes best.
struct Ends {
  memory::desc in, out;
};

// The weights as Winograd wants them, in memory of the workspace.
const float* transformed(const WinogradConvolution& convolution, const float* weights, Workspace* workspace) {
  float* points = workspace->take(convolution.points_size());
  convolution.transform(weights, points);
  return points;
}

// The numbers of all, in order, into the first of `count` vectors.
void add_to_first(float* vectors, int count, size_t size) {
  constexpr size_t kSlice = 4096;
  for_tasks(static_cast<int>((size + kSlice - 1) / kSlice), [&](int i, Workspace&) {
    const size_t first = static_cast<size_t>(i) * kSlice, length = std::min(kSlice, size - first);
    for (int v = 1; v < count; ++v) {
      row_accumulate(vectors + static_cast<size_t>(v) * size + first, length, vectors + first);
    }
  });
}

bool is_reference(const std::string& implementation) { return implementation.rfind("ref", 0) == 0; }

// What `make(ends)` gives in our layouts where oneDNN has a fast implementation for them on this machine, or else in
// its own.
template <class Make>
auto choose(const ConvolutionShape& shape, const Make& make) {
  const Ends ours{activation_desc(shape.in, shape.micro_batch, shape.in_layout),
                  activation_desc(shape.out, shape.micro_batch, shape.out_layout)};
  try {
    auto made = make(ours);
    if (!is_reference(made.impl_info_str())) return made;
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
  }
  return make(Ends{any_layout(shape.in, shape.micro_batch, shape.in_layout),
                   any_layout(shape.out, shape.micro_batch, shape.out_layout)});
}

}  // namespace

ConvolutionWeights::ConvolutionWeights(const ConvolutionShape& shape)
    : filters_(shape.out.channels),
      channels_(shape.in.channels),
      stored_filters_(shape.stored_out()),
      stored_channels_(shape.stored_in()),
      window_(shape.size * shape.size),
      groups_(shape.groups),
      padded_(static_cast<size_t>(stored_filters_) * (stored_channels_ / groups_) * window_) {
  const memory::dim f = stored_filters_, c = stored_channels_, k = shape.size;
  dims_ = groups_ > 1 ? memory::dims{groups_, f / groups_, c / groups_, k, k} : memory::dims{f, c, k, k};
  desc_ = {dims_, kType, groups_ > 1 ? memory::format_tag::goihw : memory::format_tag::oihw};
}

bool ConvolutionWeights::same_channels() const { return filters_ == stored_filters_ && channels_ == stored_channels_; }

float* ConvolutionWeights::pad(const float* weights, const float* factor) {
  if (same_channels() && factor == nullptr) return const_cast<float*>(weights);
  const size_t from = static_cast<size_t>(channels_ / groups_) * window_;
  const size_t to = static_cast<size_t>(stored_channels_ / groups_) * window_;
  for (size_t f = 0; f < static_cast<size_t>(filters_); ++f) {
    const float scale = factor == nullptr ? 1.0f : factor[f];
    for (size_t i = 0; i < from; ++i) padded_[f * to + i] = weights[f * from + i] * scale;
  }
  return padded_.data();
}

void ConvolutionWeights::add(const float* padded, float* weights) const {
  const size_t to = static_cast<size_t>(channels_ / groups_) * window_;
  const size_t from = static_cast<size_t>(stored_channels_ / groups_) * window_;
  for_tasks(filters_, [&](int f, Workspace&) {
    const auto filter = static_cast<size_t>(f);
    row_accumulate(padded + filter * from, to, weights + filter * to);
  });
}

TrainingConvolution::TrainingConvolution(const ConvolutionShape& shape) : weights_(shape) {
  if (winograd_pays(shape)) {
    winograd_ = std::make_unique<Winograd>();
    winograd_->forward = {winograd_shape(shape), false};
    winograd_->data = {rotated_winograd_shape(shape), true};
    winograd_->weights = WinogradGradient(winograd_shape(shape));
    winograd_->gradient.resize(weights_.size());
    return;
  }
  make_primitives(shape);
  forward_weights_ = {weights_.desc(), forward_desc_.weights_desc()};
  data_weights_ = {weights_.desc(), data_desc_.weights_desc()};
  gradient_ = {weights_desc_.diff_weights_desc(), weights_.desc()};
}

void TrainingConvolution::make_primitives(const ConvolutionShape& shape) {
  const OneThread one;
  const memory::desc weights(weights_.dims(), kType, memory::format_tag::any);
  const memory::dims strides{shape.stride, shape.stride}, padding{shape.padding, shape.padding};
  forward_desc_ = choose(shape, [&](const Ends& ends) {
    return describe<dnnl::convolution_forward>(dnnl_engine(), shareable(), dnnl::prop_kind::forward_training, kDirect,
                                               ends.in, weights, ends.out, strides, padding, padding);
  });
  data_desc_ = choose(shape, [&](const Ends& ends) {
    return describe_backward<dnnl::convolution_backward_data>(dnnl_engine(), shareable(), forward_desc_, kDirect,
                                                              ends.in, weights, ends.out, strides, padding, padding);
  });
  weights_desc_ = choose(shape, [&](const Ends& ends) {
    return describe_backward<dnnl::convolution_backward_weights>(dnnl_engine(), shareable(), forward_desc_, kDirect,
                                                                 ends.in, weights, ends.out, strides, padding, padding);
  });
  forward_ = dnnl::convolution_forward(forward_desc_);
  data_ = dnnl::convolution_backward_data(data_desc_);
  weights_gradient_ = dnnl::convolution_backward_weights(weights_desc_);

  const memory::desc ours_in = activation_desc(shape.in, shape.micro_batch, shape.in_layout);
  const memory::desc ours_out = activation_desc(shape.out, shape.micro_batch, shape.out_layout);
  forward_in_ = {ours_in, forward_desc_.src_desc()};
  forward_out_ = {forward_desc_.dst_desc(), ours_out};
  data_out_ = {ours_out, data_desc_.diff_dst_desc()};
  data_in_ = {data_desc_.diff_src_desc(), ours_in};
  weights_in_ = {ours_in, weights_desc_.src_desc()};
  weights_out_ = {ours_out, weights_desc_.diff_dst_desc()};
}

void TrainingConvolution::prepare_forward(const float* weights, Workspace* workspace) {
  float* padded = weights_.pad(weights, nullptr);
  forward_ready_ = winograd_ ? transformed(winograd_->forward, padded, workspace) : forward_weights_.run(padded);
}

void TrainingConvolution::prepare_backward(const float* weights, Workspace* workspace) {
  float* padded = weights_.pad(weights, nullptr);
  data_ready_ = winograd_ ? transformed(winograd_->data, padded, workspace) : data_weights_.run(padded);
}

void TrainingConvolution::forward(const float* in, float* out, Workspace* workspace) const {
  if (winograd_) return winograd_->forward.run(in, forward_ready_, nullptr, false, out, workspace);
  const WorkspaceFrame frame(workspace);
  const float* source = forward_in_.run(in, workspace);
  float* target = forward_out_.target(out, workspace);
  run(forward_, forward_desc_.scratchpad_desc(),
      {{DNNL_ARG_SRC, dnnl_memory(forward_desc_.src_desc(), source)},
       {DNNL_ARG_WEIGHTS, dnnl_memory(forward_desc_.weights_desc(), forward_ready_)},
       {DNNL_ARG_DST, dnnl_memory(forward_desc_.dst_desc(), target)}},
      workspace);
  forward_out_.finish(target, out, workspace);
}

void TrainingConvolution::backward_data(const float* out_gradient, float* in_gradient, Workspace* workspace) const {
  if (winograd_) return winograd_->data.run(out_gradient, data_ready_, nullptr, false, in_gradient, workspace);
  const WorkspaceFrame frame(workspace);
  const float* source = data_out_.run(out_gradient, workspace);
  float* target = data_in_.target(in_gradient, workspace);
  run(data_, data_desc_.scratchpad_desc(),
      {{DNNL_ARG_DIFF_DST, dnnl_memory(data_desc_.diff_dst_desc(), source)},
       {DNNL_ARG_WEIGHTS, dnnl_memory(data_desc_.weights_desc(), data_ready_)},
       {DNNL_ARG_DIFF_SRC, dnnl_memory(data_desc_.diff_src_desc(), target)}},
      workspace);
  data_in_.finish(target, in_gradient, workspace);
}

void TrainingConvolution::backward_weights(const float* in, const float* out_gradient, bool add, float* gradient,
                                           Workspace* workspace) const {
  if (winograd_) return winograd_->weights.run(in, out_gradient, add, gradient, workspace);
  const WorkspaceFrame frame(workspace);
  float* target = add ? workspace->take(gradient_size()) : gradient;
  run(weights_gradient_, weights_desc_.scratchpad_desc(),
      {{DNNL_ARG_SRC, dnnl_memory(weights_desc_.src_desc(), weights_in_.run(in, workspace))},
       {DNNL_ARG_DIFF_DST, dnnl_memory(weights_desc_.diff_dst_desc(), weights_out_.run(out_gradient, workspace))},
       {DNNL_ARG_DIFF_WEIGHTS, dnnl_memory(weights_desc_.diff_weights_desc(), target)}},
      workspace);
  if (add) row_accumulate(target, gradient_size(), gradient);
}

size_t TrainingConvolution::gradient_size() const {
  return winograd_ ? winograd_->weights.size() : weights_desc_.diff_weights_desc().get_size() / sizeof(float);
}

void TrainingConvolution::add_gradients(float* gradients, int count, float* weights) {
  if (winograd_) {
    winograd_->weights.finish(gradients, count, winograd_->gradient.data());
    return weights_.add(winograd_->gradient.data(), weights);
  }
  add_to_first(gradients, count, gradient_size());
  weights_.add(gradient_.run(gradients), weights);
}

InferenceConvolution::InferenceConvolution(const ConvolutionShape& shape, bool relu)
    : weights_(shape), filters_(shape.out.channels), relu_(relu), bias_(static_cast<size_t>(shape.stored_out())) {
  if (winograd_pays(shape)) {
    winograd_ = std::make_unique<WinogradConvolution>(winograd_shape(shape), false);
    points_.resize(winograd_->points_size());
    return;
  }
  make_primitives(shape, relu);
  ready_weights_ = {weights_.desc(), desc_.weights_desc()};
}

void InferenceConvolution::make_primitives(const ConvolutionShape& shape, bool relu) {
  const OneThread one;
  const memory::desc weights(weights_.dims(), kType, memory::format_tag::any);
  const memory::desc bias({static_cast<memory::dim>(bias_.size())}, kType, memory::format_tag::any);
  const memory::dims strides{shape.stride, shape.stride}, padding{shape.padding, shape.padding};
  dnnl::primitive_attr attr = shareable();
  if (relu) {
    dnnl::post_ops after;
    append_relu(&after);
    attr.set_post_ops(after);
  }
  desc_ = choose(shape, [&](const Ends& ends) {
    return describe<dnnl::convolution_forward>(dnnl_engine(), attr, dnnl::prop_kind::forward_inference, kDirect,
                                               ends.in, weights, bias, ends.out, strides, padding, padding);
  });
  forward_ = dnnl::convolution_forward(desc_);
  in_ = {activation_desc(shape.in, shape.micro_batch, shape.in_layout), desc_.src_desc()};
  out_ = {desc_.dst_desc(), activation_desc(shape.out, shape.micro_batch, shape.out_layout)};
}

void InferenceConvolution::set_weights(const float* weights, const float* factor, const float* shift) {
  float* padded = weights_.pad(weights, factor);
  if (winograd_) {
    winograd_->transform(padded, points_.data());
    ready_ = points_.data();
  } else {
    ready_ = ready_weights_.run(padded);
  }
  std::copy(shift, shift + filters_, bias_.begin());
}

void InferenceConvolution::forward(const float* in, float* out, Workspace* workspace) const {
  if (winograd_) return winograd_->run(in, ready_, bias_.data(), relu_, out, workspace);
  const WorkspaceFrame frame(workspace);
  const float* source = in_.run(in, workspace);
  float* target = out_.target(out, workspace);
  run(forward_, desc_.scratchpad_desc(),
      {{DNNL_ARG_SRC, dnnl_memory(desc_.src_desc(), source)},
       {DNNL_ARG_WEIGHTS, dnnl_memory(desc_.weights_desc(), ready_)},
       {DNNL_ARG_BIAS, dnnl_memory(desc_.bias_desc(), bias_.data())},
       {DNNL_ARG_DST, dnnl_memory(desc_.dst_desc(), target)}},
      workspace);
  out_.finish(target, out, workspace);
}

}  // namespace dng::cpu
