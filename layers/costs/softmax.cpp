#include "layers/costs/softmax.h"

#include "layers/costs/cost_op.h"

namespace dng::layers {
namespace {

class SoftmaxCost final : public math::Cost {
 public:
  double evaluate(const math::CostRow<double>& row, double, double* gradient) override {
    return math::cross_entropy(row, gradient);
  }
  std::string describe() const override { return "cross entropy"; }
};

}  // namespace

graph::Op softmax_op() {
  graph::Op op = cost_op("softmax", "plain cross entropy",
                         [](const graph::LayerConfig&) { return std::make_unique<SoftmaxCost>(); });
  op.alias("soft")
      .option(cfg::integer_option("groups", "1", 1, 1, "as Darknet writes it"))
      .option(cfg::real_option("temperature", "1", 1, 1, "as Darknet writes it"))
      .refuse("tree", "hierarchies of classes are not trained here; remove it")
      .refuse("spatial", "a classifier's softmax is not spatial; remove it")
      .refuse("noloss", "a classifier needs its loss; remove it");
  return op;
}

}  // namespace dng::layers
