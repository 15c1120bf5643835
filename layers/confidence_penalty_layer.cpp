#include "layers/confidence_penalty_layer.h"

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class ConfidencePenaltyCost final : public Cost {
 public:
  explicit ConfidencePenaltyCost(const LayerConfig& layer) : formula_(confidence_penalty_formula(layer)) {}

  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    return formula_(row, 0, {}, gradient, OneLane());
  }
  std::string describe() const override { return format("cross entropy - %g x entropy", formula_.beta); }

 private:
  ConfidencePenaltyFormula formula_;
};

}  // namespace

ConfidencePenaltyFormula confidence_penalty_formula(const LayerConfig& layer) { return {layer.options.real("beta")}; }

Op confidence_penalty_op() {
  Op op = cost_op("confidence_penalty", "cross entropy minus entropy",
                  [](const LayerConfig& layer) { return std::make_unique<ConfidencePenaltyCost>(layer); });
  op.option(ours(real_option("beta", "0.1", 0, 1e3, "weight of the entropy")));
  return op;
}

}  // namespace dng
