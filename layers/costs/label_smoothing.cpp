#include "layers/costs/label_smoothing.h"

#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  const double epsilon = layer.options.real("epsilon");
  return format("labels x %g + uniform x %g", 1 - epsilon, epsilon);
}

}  // namespace

LabelSmoothingFormula label_smoothing_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("epsilon")};
}

graph::Op label_smoothing_op() {
  return cost_op("label_smoothing", "cross entropy with smoothed labels", label_smoothing_formula, describe)
      .option(cfg::open_high(cfg::ours(cfg::real_option("epsilon", "0.1", 0, 1, "share of the uniform distribution"))));
}

}  // namespace dng::layers
