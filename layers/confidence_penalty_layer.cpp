#include "layers/confidence_penalty_layer.h"

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class ConfidencePenaltyCost final : public Cost {
 public:
  explicit ConfidencePenaltyCost(const LayerConfig& layer) : beta_(layer.options.real("beta")) {}

  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    return confidence_penalty(row, beta_, gradient);
  }
  std::string describe() const override { return format("cross entropy - %g x entropy", beta_); }

 private:
  double beta_;
};

}  // namespace

Op confidence_penalty_op() {
  Op op = cost_op("confidence_penalty", "cross entropy minus entropy",
                  [](const LayerConfig& layer) { return std::make_unique<ConfidencePenaltyCost>(layer); });
  op.option(ours(real_option("beta", "0.1", 0, 1e3, "weight of the entropy")));
  return op;
}

}  // namespace dng
