// A cost: softmax and cost in one, the last section of a classifier. The network's output is the probabilities.
//
//   input   logits z [batch][C], any finite values          output  f = softmax(z) [batch][C]
//   labels  [batch], 0..C-1; without labels no loss is computed and the gradient is zero
//   loss    summed over the batch; delta = -dL/dz per sample, not divided by the batch (Darknet's sign and scale)
// class_weights= of the .data file weigh the label's term of every cost in training, not what a cost adds to it: the
// formula is at cross_entropy in math/cost_row.h. Evaluations are not weighted.
// Computed in double precision, whatever the network's: C values a sample cost nothing beside a convolution.
//
// A cost's author writes a formula, a struct for CPU and GPU:
//   static constexpr bool kNeedsTeacher;
//   double operator()(const math::CostRow& row, double epoch, const math::CostWorkspace& workspace, double* gradient,
//                     const Lanes& lanes) const;      the loss of a sample; writes dL/dz to gradient[C]
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "graph/op.h"
#include "math/cost.h"

namespace dng::layers {

// By which the logits are divided before the softmax, in training and evaluations: temperature= of [softmax]. (That of
// [distill] is another: it softens the cost alone.)
double logit_temperature(const graph::LayerConfig& layer);

// The op of a cost: shape, stand-in for Darknet and CPU kernel around `factory`, which stays reachable as Op::cost.
graph::Op cost_op(const std::string& section, const std::string& summary, const graph::CostFactory& factory);

template <class Formula>
class FormulaCost final : public math::Cost {
 public:
  FormulaCost(std::string section, const Formula& formula, std::string description)
      : section_(std::move(section)), formula_(formula), description_(std::move(description)) {}

  double evaluate(const math::CostRow& row, double epoch, double* gradient) override {
    if (Formula::kNeedsTeacher && row.teacher == nullptr) {
      fail("internal error: [%s] has no teacher probabilities for this batch", section_.c_str());
    }
    const auto classes = static_cast<size_t>(row.classes);
    static thread_local std::vector<double> values;
    static thread_local std::vector<unsigned char> rank;
    values.resize(math::CostWorkspace::kValuesPerClass * classes);
    rank.resize(classes);
    return formula_(row, epoch, math::CostWorkspace{values.data(), rank.data()}, gradient, math::OneLane());
  }
  std::string describe() const override { return description_; }

 private:
  std::string section_;
  Formula formula_;
  std::string description_;
};

// The op of a cost with a formula. `describe`: what the options amount to, a line for the start of a run.
template <class Formula>
graph::Op cost_op(const std::string& section, const std::string& summary, Formula (*formula)(const graph::LayerConfig&),
                  std::string (*describe)(const graph::LayerConfig&)) {
  return cost_op(section, summary, [section, formula, describe](const graph::LayerConfig& layer) {
    return std::make_unique<FormulaCost<Formula>>(section, formula(layer), describe(layer));
  });
}

}  // namespace dng::layers
