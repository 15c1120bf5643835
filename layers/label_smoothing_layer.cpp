#include "layers/label_smoothing_layer.h"

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class LabelSmoothingCost final : public Cost {
 public:
  explicit LabelSmoothingCost(const LayerConfig& layer) : formula_(label_smoothing_formula(layer)) {}

  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    return formula_(row, 0, {}, gradient, OneLane());
  }
  std::string describe() const override {
    return format("labels x %g + uniform x %g", 1 - formula_.epsilon, formula_.epsilon);
  }

 private:
  LabelSmoothingFormula formula_;
};

}  // namespace

LabelSmoothingFormula label_smoothing_formula(const LayerConfig& layer) { return {layer.options.real("epsilon")}; }

Op label_smoothing_op() {
  Op op = cost_op("label_smoothing", "cross entropy with smoothed labels",
                  [](const LayerConfig& layer) { return std::make_unique<LabelSmoothingCost>(layer); });
  op.option(open_high(ours(real_option("epsilon", "0.1", 0, 1, "share of the uniform distribution"))));
  return op;
}

}  // namespace dng
