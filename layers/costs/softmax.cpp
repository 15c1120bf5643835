#include "layers/costs/softmax.h"

#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {

graph::Op softmax_op() {
  const auto describe = [](const graph::LayerConfig&) -> std::string { return "cross entropy"; };
  return cost_op<SoftmaxFormula>("softmax", "plain cross entropy", softmax_formula, describe)
      .alias("soft")
      .option(cfg::integer_option("groups", "1", 1, 1, "as Darknet writes it"))
      .option(cfg::real_option("temperature", "1", 1, 1, "as Darknet writes it"))
      .refuse("tree", "hierarchies of classes are not trained here; remove it")
      .refuse("spatial", "a classifier's softmax is not spatial; remove it")
      .refuse("noloss", "a classifier needs its loss; remove it");
}

}  // namespace dng::layers
