#include "layers/costs/softmax.h"

#include "base/error.h"
#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  const double scale = softmax_formula(layer).gradient_scale;
  return scale == 1 ? "cross entropy" : format("cross entropy, gradient x %g", scale);
}

void check(const graph::LayerConfig& layer, const graph::ShapeContext&) {
  if (layer.options.integer("groups") == 1) return;
  fail("%s: found '%d', allowed is 1: an image has one label, so there is one softmax; write groups=1",
       layer.options.where("groups").c_str(), layer.options.integer("groups"));
}

}  // namespace

SoftmaxFormula softmax_formula(const graph::LayerConfig& layer) { return {layer.options.real("gradient_scale")}; }

graph::Op softmax_op() {
  return cost_op("softmax", "plain cross entropy", softmax_formula, describe)
      .alias("soft")
      .option(cfg::integer_option("groups", "1", 1, 1 << 20, "1: more is refused"))
      .option(cfg::open_low(cfg::real_option("temperature", "1", 0, 1e4, "divides the logits")))
      .option(cfg::flag_option("noloss", "0", "1: no gradient of its own, that of a [cost] behind it alone"))
      .option(cfg::ours(cfg::real_option("gradient_scale", "1", 0, 1e6, "factor on the gradient, not on the loss")))
      .refuse("tree", "hierarchies of classes are not trained here; remove it: all classes are then in one softmax")
      .refuse("spatial", "a classifier's softmax is not spatial; remove it")
      .checked(check);
}

}  // namespace dng::layers
