// The direct algorithm of cpu/convolution/convolution.h: oneDNN's primitives.
#include <algorithm>
#include <string>
#include <vector>

#include "base/sum_tree.h"
#include "cpu/convolution/convolution.h"
#include "cpu/convolution/convolution_weights.h"
#include "cpu/convolution/depthwise_gradient.h"
#include "cpu/convolution/dnnl_api.h"
#include "cpu/convolution/dnnl_memory.h"
#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"

namespace dng::cpu {
namespace {

using dnnl::memory;

constexpr auto kType = memory::data_type::f32;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

memory::desc any_layout(const data::Geometry& shape, int micro_batch, Layout layout) {
  return {{micro_batch, Rows(shape, layout).channels, shape.height, shape.width}, kType, memory::format_tag::any};
}

// Adds vectors of `size` floats, `parts` of each shard, to the first.
void add_to_first(float* vectors, int shards, int parts, size_t size) {
  constexpr size_t kSlice = 4096;
  for_tasks(static_cast<int>((size + kSlice - 1) / kSlice), [&](int i, Workspace&) {
    const size_t first = static_cast<size_t>(i) * kSlice, length = std::min(kSlice, size - first);
    const auto add = [&](int to, int from) {
      row_accumulate(vectors + static_cast<size_t>(from) * size + first, length,
                     vectors + static_cast<size_t>(to) * size + first);
    };
    for (int v = 0; v < shards * parts; ++v) {
      if (v % parts > 0) add(v / parts * parts, v);
    }
    for_sum_tree(shards, [&](int to, int from) { add(to * parts, from * parts); });
  });
}

// Input and output of a micro-batch, in the tensors' layouts or in those that a primitive prefers.
struct Ends {
  memory::desc in, out;
};

Ends tensors_of(const ConvolutionShape& shape) {
  return {activation_desc(shape.in, shape.micro_batch, shape.in_layout),
          activation_desc(shape.out, shape.micro_batch, shape.out_layout)};
}

bool is_reference(const std::string& implementation) { return implementation.rfind("ref", 0) == 0; }

// What `make(ends)` returns for the tensors' layouts where oneDNN has a fast implementation for them on this machine,
// else for its own.
template <class Make>
auto choose(const ConvolutionShape& shape, const Make& make) {
  try {
    auto made = make(tensors_of(shape));
    if (!is_reference(made.impl_info_str())) return made;
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
  }
  return make(Ends{any_layout(shape.in, shape.micro_batch, shape.in_layout),
                   any_layout(shape.out, shape.micro_batch, shape.out_layout)});
}

// What all primitives of a convolution are described by.
struct Window {
  Window(const ConvolutionShape& shape, const ConvolutionWeights& w)
      : weights(w.dims(), kType, memory::format_tag::any),
        strides{shape.stride_y, shape.stride_x},
        dilation{shape.dilation - 1, shape.dilation - 1},
        padding{shape.padding, shape.padding} {}
  memory::desc weights;
  memory::dims strides, dilation, padding;
};

// A primitive that reads a tensor and the weights, and writes the tensor at the other end.
template <class Primitive>
class TensorPrimitive {
 public:
  // The arguments' numbers; tensor_* are the layouts of what run() is given.
  struct Arguments {
    int in, weights, out;
  };
  TensorPrimitive() = default;
  TensorPrimitive(const typename Primitive::primitive_desc& desc, const Arguments& arguments,
                  const memory::desc& tensor_in, const memory::desc& tensor_out)
      : desc_(desc), primitive_(desc), arguments_(arguments) {
    in_ = {tensor_in, desc_.query_md(dnnl::query::exec_arg_md, arguments.in)};
    out_ = {desc_.query_md(dnnl::query::exec_arg_md, arguments.out), tensor_out};
  }
  const typename Primitive::primitive_desc& desc() const { return desc_; }

  void run(const float* in, const float* weights, const float* bias, float* out, Workspace* workspace) const {
    const WorkspaceFrame frame(workspace);
    const float* source = in_.run(in, workspace);
    float* target = out_.target(out, workspace);
    std::unordered_map<int, memory> memories = {{arguments_.in, argument(arguments_.in, source)},
                                                {arguments_.weights, argument(arguments_.weights, weights)},
                                                {arguments_.out, argument(arguments_.out, target)}};
    if (bias != nullptr) memories.emplace(DNNL_ARG_BIAS, argument(DNNL_ARG_BIAS, bias));
    cpu::run(primitive_, desc_.scratchpad_desc(), std::move(memories), workspace);
    out_.finish(target, out, workspace);
  }

 private:
  memory argument(int number, const float* data) const {
    return dnnl_memory(desc_.query_md(dnnl::query::exec_arg_md, number), data);
  }

  typename Primitive::primitive_desc desc_;
  Primitive primitive_;
  Arguments arguments_{};
  MicroBatchReorder in_, out_;
};

constexpr TensorPrimitive<dnnl::convolution_forward>::Arguments kForwardArguments = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS,
                                                                                     DNNL_ARG_DST};

class DirectTraining final : public TrainingConvolution {
 public:
  explicit DirectTraining(const ConvolutionShape& shape) : weights_(shape) {
    make_primitives(shape);
    forward_weights_ = {weights_.desc(), forward_.desc().weights_desc()};
    data_weights_ = {weights_.desc(), data_.desc().weights_desc()};
    gradient_ = {weights_gradient_desc_.diff_weights_desc(), weights_.desc()};
  }

  void prepare_forward(const float* weights, Workspace*) override {
    forward_ready_ = forward_weights_.run(weights_.pad(weights, nullptr));
  }
  void prepare_backward(const float* weights, Workspace*) override {
    data_ready_ = data_weights_.run(weights_.pad(weights, nullptr));
  }

  void forward(const float* in, float* out, Workspace* workspace) const override {
    forward_.run(in, forward_ready_, nullptr, out, workspace);
  }
  void backward_data(const float* out_gradient, float* in_gradient, Workspace* workspace) const override {
    data_.run(out_gradient, data_ready_, nullptr, in_gradient, workspace);
  }
  void backward_weights(const float* in, const float* out_gradient, bool add, float* gradient,
                        Workspace* workspace) const override {
    if (depthwise_) return depthwise_->run(in, out_gradient, add, gradient);
    const auto& desc = weights_gradient_desc_;
    const WorkspaceFrame frame(workspace);
    float* target = add ? workspace->take(gradient_size()) : gradient;
    run(weights_gradient_, desc.scratchpad_desc(),
        {{DNNL_ARG_SRC, dnnl_memory(desc.src_desc(), weights_in_.run(in, workspace))},
         {DNNL_ARG_DIFF_DST, dnnl_memory(desc.diff_dst_desc(), weights_out_.run(out_gradient, workspace))},
         {DNNL_ARG_DIFF_WEIGHTS, dnnl_memory(desc.diff_weights_desc(), target)}},
        workspace);
    if (add) row_accumulate(target, gradient_size(), gradient);
  }
  size_t gradient_size() const override {
    if (depthwise_) return depthwise_->size();
    return weights_gradient_desc_.diff_weights_desc().get_size() / sizeof(float);
  }
  void add_gradients(float* gradients, int shards, int parts, float* weights) override {
    add_to_first(gradients, shards, parts, gradient_size());
    if (!depthwise_) return weights_.add(gradient_.run(gradients), weights);
    depthwise_->reorder(gradients, reordered_.data());
    weights_.add(reordered_.data(), weights);
  }

 private:
  void make_primitives(const ConvolutionShape& shape) {
    const OneThread one;
    const Window window(shape, weights_);
    const Ends tensors = tensors_of(shape);
    const auto forward = choose(shape, [&](const Ends& ends) {
      return describe<dnnl::convolution_forward>(dnnl_engine(), shareable(), dnnl::prop_kind::forward_training, kDirect,
                                                 ends.in, window.weights, ends.out, window.strides, window.dilation,
                                                 window.padding, window.padding);
    });
    forward_ = {forward, kForwardArguments, tensors.in, tensors.out};
    const auto data = choose(shape, [&](const Ends& ends) {
      return describe_backward<dnnl::convolution_backward_data>(dnnl_engine(), shareable(), forward, kDirect, ends.in,
                                                                window.weights, ends.out, window.strides,
                                                                window.dilation, window.padding, window.padding);
    });
    data_ = {data, {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC}, tensors.out, tensors.in};
    weights_gradient_desc_ = choose(shape, [&](const Ends& ends) {
      return describe_backward<dnnl::convolution_backward_weights>(dnnl_engine(), shareable(), forward, kDirect,
                                                                   ends.in, window.weights, ends.out, window.strides,
                                                                   window.dilation, window.padding, window.padding);
    });
    if (DepthwiseGradient::fits(shape) && std::string(weights_gradient_desc_.impl_info_str()).rfind("jit_dw", 0) != 0) {
      depthwise_ = std::make_unique<DepthwiseGradient>(shape);
      reordered_.resize(depthwise_->size());
    }
    weights_gradient_ = dnnl::convolution_backward_weights(weights_gradient_desc_);
    weights_in_ = {tensors.in, weights_gradient_desc_.src_desc()};
    weights_out_ = {tensors.out, weights_gradient_desc_.diff_dst_desc()};
  }

  ConvolutionWeights weights_;
  TensorPrimitive<dnnl::convolution_forward> forward_;
  TensorPrimitive<dnnl::convolution_backward_data> data_;
  dnnl::convolution_backward_weights::primitive_desc weights_gradient_desc_;
  dnnl::convolution_backward_weights weights_gradient_;
  MicroBatchReorder weights_in_, weights_out_;
  std::unique_ptr<DepthwiseGradient> depthwise_;  // where oneDNN has no kernel for it
  std::vector<float> reordered_;
  Reorder forward_weights_, data_weights_, gradient_;
  const float* forward_ready_ = nullptr;
  const float* data_ready_ = nullptr;
};

class DirectInference final : public InferenceConvolution {
 public:
  DirectInference(const ConvolutionShape& shape, bool relu)
      : weights_(shape), filters_(shape.out.channels), bias_(static_cast<size_t>(shape.stored_out())) {
    make_primitive(shape, relu);
    ready_weights_ = {weights_.desc(), forward_.desc().weights_desc()};
  }

  void set_weights(const float* weights, const float* factor, const float* shift) override {
    ready_ = ready_weights_.run(weights_.pad(weights, factor));
    std::copy(shift, shift + filters_, bias_.begin());
  }
  void forward(const float* in, float* out, Workspace* workspace) const override {
    forward_.run(in, ready_, bias_.data(), out, workspace);
  }

 private:
  void make_primitive(const ConvolutionShape& shape, bool relu) {
    const OneThread one;
    const Window window(shape, weights_);
    const memory::desc bias({static_cast<memory::dim>(bias_.size())}, kType, memory::format_tag::any);
    dnnl::primitive_attr attr = shareable();
    if (relu) {
      dnnl::post_ops after;
      append_relu(&after);
      attr.set_post_ops(after);
    }
    const auto desc = choose(shape, [&](const Ends& ends) {
      return describe<dnnl::convolution_forward>(dnnl_engine(), attr, dnnl::prop_kind::forward_inference, kDirect,
                                                 ends.in, window.weights, bias, ends.out, window.strides,
                                                 window.dilation, window.padding, window.padding);
    });
    const Ends tensors = tensors_of(shape);
    forward_ = {desc, kForwardArguments, tensors.in, tensors.out};
  }

  ConvolutionWeights weights_;
  int filters_;
  std::vector<float> bias_;
  TensorPrimitive<dnnl::convolution_forward> forward_;
  Reorder ready_weights_;
  const float* ready_ = nullptr;
};

}  // namespace

std::unique_ptr<TrainingConvolution> make_direct_training(const ConvolutionShape& shape) {
  return std::make_unique<DirectTraining>(shape);
}

std::unique_ptr<InferenceConvolution> make_direct_inference(const ConvolutionShape& shape, bool relu) {
  return std::make_unique<DirectInference>(shape, relu);
}

}  // namespace dng::cpu
