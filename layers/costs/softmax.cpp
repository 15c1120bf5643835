#include "layers/costs/softmax.h"

#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  const double scale = softmax_formula(layer).gradient_scale;
  return scale == 1 ? "cross entropy" : format("cross entropy, gradient x %g", scale);
}

}  // namespace

SoftmaxFormula softmax_formula(const graph::LayerConfig& layer) { return {layer.options.real("gradient_scale")}; }

graph::Op softmax_op() {
  return cost_op("softmax", "plain cross entropy", softmax_formula, describe)
      .alias("soft")
      .option(cfg::integer_option("groups", "1", 1, 1, "as Darknet writes it"))
      .option(cfg::real_option("temperature", "1", 1, 1, "as Darknet writes it"))
      .option(cfg::ours(cfg::real_option("gradient_scale", "1", 0, 1e6, "factor on the gradient, not on the loss")))
      .refuse("tree", "hierarchies of classes are not trained here; remove it")
      .refuse("spatial", "a classifier's softmax is not spatial; remove it")
      .refuse("noloss", "a classifier needs its loss; remove it");
}

}  // namespace dng::layers
