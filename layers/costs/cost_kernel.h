// Softmax and a cost on the GPU: a warp for each sample, in double precision as on the CPU. The losses of the samples
// are added in a fixed order.
#pragma once

#include <vector>

#include "gpu/node_launch.h"
#include "layers/costs/cost_op.h"
#include "math/cost_row.h"

namespace dng::DNG_GPU {

// The results for a sample.
struct SampleResult {
  double loss;
  int64_t correct;
};

template <class T, class Formula>
struct CostBody {
  Formula formula;
  const T* logits;
  T* delta;  // null: not needed
  bool training, scores;
  double smoothing, temperature;
  int classes;
  const int* labels;
  const LabelMix* mixes;
  const float* class_weights;
  const float* teacher;
  const gpu::StepInput* step;
  float* probabilities;
  double* values;  // [batch][8 C]
  unsigned char* ranks;
  SampleResult* samples;

  template <class Lanes>
  DNG_DEVICE void operator()(int sample, const Lanes& lanes) const {
    const size_t at = static_cast<size_t>(sample) * static_cast<size_t>(classes);
    double* z = values + 8 * at;
    double *log_f = z + classes, *f = log_f + classes, *t = f + classes, *gradient = t + classes;
    for (int j = lanes.first(); j < classes; j += lanes.step())
      z[j] = static_cast<double>(gpu::to_float(logits[at + j])) / temperature;
    lanes.sync();
    math::log_softmax(classes, z, log_f, f, lanes);
    for (int j = lanes.first(); j < classes; j += lanes.step()) probabilities[at + j] = static_cast<float>(f[j]);
    const bool taught = step->has_teacher != 0;
    const bool score = scores && step->has_labels != 0 && sample < step->count && (taught || !Formula::kNeedsTeacher);
    SampleResult result = {0, 0};
    if (score) {
      if (taught) {
        for (int j = lanes.first(); j < classes; j += lanes.step()) t[j] = static_cast<double>(teacher[at + j]);
      }
      lanes.sync();
      const int label = labels[sample];
      const math::CostRow row{classes,      z,
                              log_f,        f,
                              label,        taught ? t : nullptr,
                              smoothing,    step->has_mixes != 0 ? mixes + sample : nullptr,
                              class_weights};
      result.loss = formula(row, step->epoch, math::CostWorkspace{gradient + classes, ranks + at}, gradient, lanes);
      const float mine = probabilities[at + label];
      int64_t ahead = 0;
      for (int j = lanes.first(); j < classes; j += lanes.step()) {
        const float other = probabilities[at + j];
        ahead += other > mine || (other == mine && j < label) ? 1 : 0;
      }
      result.correct = lanes.sum(ahead) == 0 ? 1 : 0;
    }
    if (training && delta != nullptr) {
      for (int j = lanes.first(); j < classes; j += lanes.step()) {
        delta[at + j] = gpu::from_float<T>(score ? static_cast<float>(-gradient[j]) : 0.0f);
      }
    }
    if (lanes.first() == 0) samples[sample] = result;
  }
};

// results[slot] = the sum of the samples.
struct CostSumBody {
  const SampleResult* samples;
  int count;
  const gpu::StepInput* step;
  gpu::StepResult* results;
  struct Shared {
    SampleResult sums[kThreads];
  };
  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    block.each_thread([&](int thread) {
      SampleResult sum = {0, 0};
      for (int i = thread; i < count; i += kThreads) {
        sum.loss += samples[i].loss;
        sum.correct += samples[i].correct;
      }
      shared.sums[thread] = sum;
    });
    for (int distance = kThreads / 2; distance > 0; distance /= 2) {
      block.barrier();
      block.each_thread([&](int thread) {
        if (thread >= distance) return;
        shared.sums[thread].loss += shared.sums[thread + distance].loss;
        shared.sums[thread].correct += shared.sums[thread + distance].correct;
      });
    }
    block.barrier();
    block.each_thread([&](int thread) {
      if (thread != 0) return;
      results[step->slot].loss = shared.sums[0].loss;
      results[step->slot].correct = shared.sums[0].correct;
    });
  }
};

template <class Formula>
class CostKernel final : public gpu::Kernel {
 public:
  explicit CostKernel(const Formula& formula) : formula_(formula) {}

  gpu::Needs needs(const gpu::Node& node) const override {
    const auto batch = static_cast<size_t>(node.batch);
    gpu::Needs needs;
    needs.gradient_in_forward = true;
    needs.reads_input = needs.reads_output = false;
    needs.constants = node.config->class_weights.size();
    needs.workspace = batch * (sizeof(SampleResult) + node.out().size() * (8 * sizeof(double) + 1));
    return needs;
  }

  void prepare(const gpu::Node& node) override {
    const std::vector<float>& weights = node.config->class_weights;
    if (!weights.empty()) node.gpu->copy_in(node.constants, weights.data(), weights.size() * sizeof(float));
  }

  // Writes its gradient at once: nobody has accumulated in the delta of the logits before.
  void forward(const gpu::Node& node, const gpu::Pass& pass) override {
    const size_t count = node.size();
    auto* samples_of = static_cast<SampleResult*>(node.workspace);
    auto* values = reinterpret_cast<double*>(samples_of + node.batch);
    const bool weighted = pass.training && !node.config->class_weights.empty();
    gpu::with_type(node.type_of(0), [&](auto zero) {
      using T = decltype(zero);
      samples(*node.gpu, node.batch,
              CostBody<T, Formula>{formula_, static_cast<const T*>(node.input()), static_cast<T*>(node.input_delta()),
                                   pass.training, pass.scored, pass.training ? node.config->label_smoothing : 0.0,
                                   layers::logit_temperature(*node.config), static_cast<int>(node.out().size()),
                                   pass.labels, pass.mixes, weighted ? node.constants : nullptr, pass.teacher,
                                   pass.step, pass.probabilities, values,
                                   reinterpret_cast<unsigned char*>(values + 8 * count), samples_of});
    });
    blocks(*node.gpu, 1, 1, CostSumBody{samples_of, node.batch, pass.step, pass.results});
  }
  void backward(const gpu::Node&, const gpu::Pass&) override {}

 private:
  Formula formula_;
};

template <class Formula>
std::unique_ptr<gpu::Kernel> make_cost(const Formula& formula) {
  return std::make_unique<CostKernel<Formula>>(formula);
}

}  // namespace dng::DNG_GPU
