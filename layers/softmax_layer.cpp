#include "layers/softmax_layer.h"

#include "layers/cost.h"

namespace dng {
namespace {

class SoftmaxCost final : public Cost {
 public:
  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    return cross_entropy(row, gradient);
  }
  std::string describe() const override { return "cross entropy"; }
};

}  // namespace

Op softmax_op() {
  Op op = cost_op("softmax", "plain cross entropy", [](const LayerConfig&) { return std::make_unique<SoftmaxCost>(); });
  op.alias("soft")
      .option(integer_option("groups", "1", 1, 1, "as Darknet writes it"))
      .option(real_option("temperature", "1", 1, 1, "as Darknet writes it"))
      .refuse("tree", "hierarchies of classes are not trained here; remove it")
      .refuse("spatial", "a classifier's softmax is not spatial; remove it")
      .refuse("noloss", "a classifier needs its loss; remove it");
  return op;
}

}  // namespace dng
