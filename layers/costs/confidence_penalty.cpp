#include "layers/costs/confidence_penalty.h"

#include "base/error.h"
#include "layers/costs/cost_op.h"

namespace dng::layers {
namespace {

class ConfidencePenaltyCost final : public math::Cost {
 public:
  explicit ConfidencePenaltyCost(const graph::LayerConfig& layer) : formula_(confidence_penalty_formula(layer)) {}

  double evaluate(const math::CostRow<double>& row, double, double* gradient) override {
    return formula_(row, 0, {}, gradient, math::OneLane());
  }
  std::string describe() const override { return format("cross entropy - %g x entropy", formula_.beta); }

 private:
  ConfidencePenaltyFormula formula_;
};

}  // namespace

ConfidencePenaltyFormula confidence_penalty_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("beta")};
}

graph::Op confidence_penalty_op() {
  graph::Op op = cost_op("confidence_penalty", "cross entropy minus entropy", [](const graph::LayerConfig& layer) {
    return std::make_unique<ConfidencePenaltyCost>(layer);
  });
  op.option(cfg::ours(cfg::real_option("beta", "0.1", 0, 1e3, "weight of the entropy")));
  return op;
}

}  // namespace dng::layers
