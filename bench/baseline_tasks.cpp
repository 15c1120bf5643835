#include "bench/baseline_tasks.h"

#include <utility>

#include "base/instructions.h"
#include "cpu/convolution/dnnl_api.h"

namespace dng::bench {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kType = memory::data_type::f32;
// The value does not change the time.
constexpr float kEpsilon = 1e-5f;

Argument argument(int id, const memory::desc& desc) { return {id, desc, id}; }

memory::desc any_layout(const memory::dims& dims) { return {dims, kType, memory::format_tag::any}; }

memory::desc blocked(const data::Geometry& shape, int batch) {
  const bool wide = instructions() == Instructions::kAvx512;
  return {{batch, shape.channels, shape.height, shape.width},
          kType,
          wide ? memory::format_tag::nChw16c : memory::format_tag::nChw8c};
}

// In place, as a shortcut or an accumulated gradient would be.
Candidate addition(const data::Geometry& shape, int batch, bool rectifies, const dnnl::engine& engine) {
  const memory::desc data = blocked(shape, batch);
  dnnl::primitive_attr attributes;
  if (rectifies) {
    dnnl::post_ops relu;
    cpu::append_relu(&relu);
    attributes.set_post_ops(relu);
  }
  const auto pd = cpu::describe<dnnl::binary>(engine, attributes, algorithm::binary_add, data, data, data);
  return {pd.impl_info_str(),
          {{dnnl::binary(pd),
            {argument(DNNL_ARG_SRC_0, data), argument(DNNL_ARG_SRC_1, data), {DNNL_ARG_DST, data, DNNL_ARG_SRC_0}}}}};
}

// The primitives of one convolution, by one algorithm.
class ConvolutionMaker {
 public:
  ConvolutionMaker(const Convolution& work, int batch, const dnnl::engine& engine, algorithm convolution_algorithm,
                   bool blocks)
      : work_(work),
        batch_(batch),
        engine_(engine),
        algorithm_(convolution_algorithm),
        src_(blocks && !work.reads_input ? blocked(work.in, batch) : any_layout(dims(work.in, batch))),
        weights_(any_layout(weight_dims(work))),
        dst_(blocks ? blocked(work.out, batch) : any_layout(dims(work.out, batch))),
        strides_{work.window.stride_y, work.window.stride_x},
        dilation_{work.window.dilation - 1, work.window.dilation - 1},
        padding_{work.window.padding, work.window.padding} {}

  Candidate forward() const {
    const auto pd = forward_description();
    return {pd.impl_info_str(),
            {{dnnl::convolution_forward(pd),
              {argument(DNNL_ARG_SRC, pd.src_desc()), argument(DNNL_ARG_WEIGHTS, pd.weights_desc()),
               argument(DNNL_ARG_DST, pd.dst_desc())}}}};
  }

  Candidate backward_data() const {
    const auto pd = cpu::describe_backward<dnnl::convolution_backward_data>(
        engine_, {}, forward_description(), algorithm_, src_, weights_, dst_, strides_, dilation_, padding_, padding_);
    return {pd.impl_info_str(),
            {{dnnl::convolution_backward_data(pd),
              {argument(DNNL_ARG_DIFF_SRC, pd.diff_src_desc()), argument(DNNL_ARG_WEIGHTS, pd.weights_desc()),
               argument(DNNL_ARG_DIFF_DST, pd.diff_dst_desc())}}}};
  }

  Candidate backward_weights() const {
    const auto pd = cpu::describe_backward<dnnl::convolution_backward_weights>(
        engine_, {}, forward_description(), algorithm_, src_, weights_, dst_, strides_, dilation_, padding_, padding_);
    return {pd.impl_info_str(),
            {{dnnl::convolution_backward_weights(pd),
              {argument(DNNL_ARG_SRC, pd.src_desc()), argument(DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()),
               argument(DNNL_ARG_DIFF_DST, pd.diff_dst_desc())}}}};
  }

  // With what inference fuses: the bias that batch norm leaves, the sum of a shortcut, ReLU.
  Candidate inference() const { return inference_step(work_.adds, work_.rectifies); }

  // The same, the sum as a separate primitive.
  Candidate inference_then_sum() const {
    Candidate candidate = inference_step(false, false);
    const Candidate sum = addition(work_.out, batch_, work_.rectifies, engine_);
    candidate.name += " then " + sum.name;
    candidate.steps.push_back(sum.steps[0]);
    return candidate;
  }

 private:
  static memory::dims dims(const data::Geometry& shape, int batch) {
    return {batch, shape.channels, shape.height, shape.width};
  }

  static memory::dims weight_dims(const Convolution& work) {
    const int in = work.in.channels, out = work.out.channels, size = work.window.size;
    if (work.groups == 1) return {out, in, size, size};
    return {work.groups, out / work.groups, in / work.groups, size, size};
  }

  dnnl::convolution_forward::primitive_desc forward_description() const {
    return cpu::describe<dnnl::convolution_forward>(engine_, {}, prop_kind::forward_training, algorithm_, src_,
                                                    weights_, dst_, strides_, dilation_, padding_, padding_);
  }

  Candidate inference_step(bool adds, bool rectifies) const {
    dnnl::post_ops fused;
    if (adds) fused.append_sum(1.0f);
    if (rectifies) cpu::append_relu(&fused);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(fused);
    const auto pd = cpu::describe<dnnl::convolution_forward>(
        engine_, attributes, prop_kind::forward_inference, algorithm_, src_, weights_, any_layout({work_.out.channels}),
        dst_, strides_, dilation_, padding_, padding_);
    return {pd.impl_info_str(),
            {{dnnl::convolution_forward(pd),
              {argument(DNNL_ARG_SRC, pd.src_desc()), argument(DNNL_ARG_WEIGHTS, pd.weights_desc()),
               argument(DNNL_ARG_BIAS, pd.bias_desc()), argument(DNNL_ARG_DST, pd.dst_desc())}}}};
  }

  const Convolution& work_;
  int batch_;
  const dnnl::engine& engine_;
  algorithm algorithm_;
  memory::desc src_, weights_, dst_;
  memory::dims strides_, dilation_, padding_;
};

// The candidates that `make` builds of one convolution, one for each algorithm.
std::vector<Candidate> each_algorithm(const Convolution& work, int batch, const dnnl::engine& engine,
                                      Candidate (ConvolutionMaker::*make)() const) {
  std::vector<Candidate> candidates;
  const auto add = [&](algorithm convolution_algorithm, bool blocks, const char* name) {
    Candidate candidate = (ConvolutionMaker(work, batch, engine, convolution_algorithm, blocks).*make)();
    candidate.name = std::string(name) + " " + candidate.name;
    candidates.push_back(std::move(candidate));
  };
  add(algorithm::convolution_direct, true, "direct");
  // Some groups of few channels have fast kernels in other layouts only.
  if (candidates.back().name.find("ref") != std::string::npos) {
    add(algorithm::convolution_direct, false, "any layout");
  }
  try {
    add(algorithm::convolution_winograd, true, "winograd");
  } catch (const dnnl::error& error) {
    // Winograd exists for some shapes only.
    if (error.status != dnnl_unimplemented) throw;
  }
  return candidates;
}

const auto kTrainingFlags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
                            dnnl::normalization_flags::fuse_norm_relu;

dnnl::batch_normalization_forward::primitive_desc describe_normalization(const Pointwise& work, int batch,
                                                                         const dnnl::engine& engine, bool training) {
  const auto flags = training ? kTrainingFlags : kTrainingFlags | dnnl::normalization_flags::use_global_stats;
  return cpu::describe_batch_norm(engine, training ? prop_kind::forward_training : prop_kind::forward_inference,
                                  blocked(work.shape, batch), kEpsilon, flags);
}

memory::desc of_channels(const Pointwise& work) { return {{work.shape.channels}, kType, memory::format_tag::a}; }

// Those of forward and backward.
std::vector<Argument> normalization_arguments(const dnnl::batch_normalization_forward::primitive_desc& pd,
                                              const Pointwise& work) {
  return {argument(DNNL_ARG_SRC, pd.src_desc()), argument(DNNL_ARG_SCALE, of_channels(work)),
          argument(DNNL_ARG_MEAN, pd.mean_desc()), argument(DNNL_ARG_VARIANCE, pd.variance_desc())};
}

Candidate normalization_forward(const Pointwise& work, int batch, const dnnl::engine& engine, bool training) {
  const auto pd = describe_normalization(work, batch, engine, training);
  std::vector<Argument> arguments = normalization_arguments(pd, work);
  arguments.push_back(argument(DNNL_ARG_SHIFT, of_channels(work)));
  arguments.push_back(argument(DNNL_ARG_DST, pd.dst_desc()));
  if (training) arguments.push_back(argument(DNNL_ARG_WORKSPACE, pd.workspace_desc()));
  return {pd.impl_info_str(), {{dnnl::batch_normalization_forward(pd), arguments}}};
}

Candidate normalization_backward(const Pointwise& work, int batch, const dnnl::engine& engine) {
  const auto forward = describe_normalization(work, batch, engine, true);
  const auto pd =
      cpu::describe_batch_norm_backward(engine, forward, blocked(work.shape, batch), kEpsilon, kTrainingFlags);
  std::vector<Argument> arguments = normalization_arguments(forward, work);
  if (cpu::kBatchNormBackwardTakesShift) arguments.push_back(argument(DNNL_ARG_SHIFT, of_channels(work)));
  arguments.push_back(argument(DNNL_ARG_DIFF_DST, pd.diff_dst_desc()));
  arguments.push_back(argument(DNNL_ARG_DIFF_SRC, pd.diff_src_desc()));
  arguments.push_back(argument(DNNL_ARG_DIFF_SCALE, of_channels(work)));
  arguments.push_back(argument(DNNL_ARG_DIFF_SHIFT, of_channels(work)));
  arguments.push_back(argument(DNNL_ARG_WORKSPACE, forward.workspace_desc()));
  return {pd.impl_info_str(), {{dnnl::batch_normalization_backward(pd), arguments}}};
}

}  // namespace

std::vector<Task> training_tasks(const BaselineWork& work, int batch, const dnnl::engine& engine) {
  std::vector<Task> tasks;
  const auto add = [&](const char* kind, const Convolution& convolution, Candidate (ConvolutionMaker::*make)() const) {
    tasks.push_back({kind, convolution.text(), convolution.count, each_algorithm(convolution, batch, engine, make)});
  };
  for (const Convolution& convolution : work.convolutions) {
    add("forward", convolution, &ConvolutionMaker::forward);
    if (!convolution.reads_input) add("backward_data", convolution, &ConvolutionMaker::backward_data);
    add("backward_weights", convolution, &ConvolutionMaker::backward_weights);
  }
  for (const Pointwise& norm : work.batch_norms) {
    // Backward right after forward: it reads the mask that forward leaves in their common workspace.
    tasks.push_back({"batch_norm", norm.text(), norm.count, {normalization_forward(norm, batch, engine, true)}});
    tasks.push_back({"batch_norm", norm.text(), norm.count, {normalization_backward(norm, batch, engine)}});
  }
  for (const Pointwise& sum : work.adds) {
    // Once for the sum, once for the gradient that a second reader adds.
    tasks.push_back({"add", sum.text(), 2 * sum.count, {addition(sum.shape, batch, false, engine)}});
  }
  return tasks;
}

std::vector<Task> inference_tasks(const BaselineWork& work, int batch, const dnnl::engine& engine) {
  std::vector<Task> tasks;
  for (const Convolution& convolution : work.convolutions) {
    std::vector<Candidate> candidates = each_algorithm(convolution, batch, engine, &ConvolutionMaker::inference);
    if (convolution.adds) {
      const auto more = each_algorithm(convolution, batch, engine, &ConvolutionMaker::inference_then_sum);
      candidates.insert(candidates.end(), more.begin(), more.end());
    }
    tasks.push_back({"forward", convolution.text(), convolution.count, std::move(candidates)});
  }
  for (const Pointwise& norm : work.batch_norms) {
    tasks.push_back({"batch_norm", norm.text(), norm.count, {normalization_forward(norm, batch, engine, false)}});
  }
  for (const Pointwise& sum : work.adds) {
    tasks.push_back({"add", sum.text(), sum.count, {addition(sum.shape, batch, true, engine)}});
  }
  return tasks;
}

}  // namespace dng::bench
