#include "layers/costs/label_smoothing.h"

#include "base/error.h"
#include "layers/costs/cost_op.h"

namespace dng::layers {
namespace {

class LabelSmoothingCost final : public math::Cost {
 public:
  explicit LabelSmoothingCost(const graph::LayerConfig& layer) : formula_(label_smoothing_formula(layer)) {}

  double evaluate(const math::CostRow<double>& row, double, double* gradient) override {
    return formula_(row, 0, {}, gradient, math::OneLane());
  }
  std::string describe() const override {
    return format("labels x %g + uniform x %g", 1 - formula_.epsilon, formula_.epsilon);
  }

 private:
  LabelSmoothingFormula formula_;
};

}  // namespace

LabelSmoothingFormula label_smoothing_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("epsilon")};
}

graph::Op label_smoothing_op() {
  graph::Op op = cost_op("label_smoothing", "cross entropy with smoothed labels",
                         [](const graph::LayerConfig& layer) { return std::make_unique<LabelSmoothingCost>(layer); });
  op.option(cfg::open_high(cfg::ours(cfg::real_option("epsilon", "0.1", 0, 1, "share of the uniform distribution"))));
  return op;
}

}  // namespace dng::layers
