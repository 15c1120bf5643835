#include "layers/costs/confidence_penalty.h"

#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  return format("cross entropy - %g x entropy", layer.options.real("beta"));
}

}  // namespace

ConfidencePenaltyFormula confidence_penalty_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("beta")};
}

graph::Op confidence_penalty_op() {
  return cost_op("confidence_penalty", "cross entropy minus entropy", confidence_penalty_formula, describe)
      .option(cfg::ours(cfg::real_option("beta", "0.1", 0, 1e3, "weight of the entropy")));
}

}  // namespace dng::layers
