#include "layers/label_smoothing_layer.h"

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class LabelSmoothingCost final : public Cost {
 public:
  explicit LabelSmoothingCost(const LayerConfig& layer) : epsilon_(layer.options.real("epsilon")) {}

  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    return label_smoothing(row, epsilon_, gradient);
  }
  std::string describe() const override { return format("labels x %g + uniform x %g", 1 - epsilon_, epsilon_); }

 private:
  double epsilon_;
};

}  // namespace

Op label_smoothing_op() {
  Op op = cost_op("label_smoothing", "cross entropy with smoothed labels",
                  [](const LayerConfig& layer) { return std::make_unique<LabelSmoothingCost>(layer); });
  op.option(open_high(ours(real_option("epsilon", "0.1", 0, 1, "share of the uniform distribution"))));
  return op;
}

}  // namespace dng
