#include "layers/costs/distill.h"

#include <vector>

#include "base/error.h"
#include "layers/costs/cost_op.h"

namespace dng::layers {
namespace {

class DistillCost final : public math::Cost {
 public:
  explicit DistillCost(const graph::LayerConfig& layer) : formula_(distill_formula(layer)) {}

  double evaluate(const math::CostRow<double>& row, double, double* gradient) override {
    if (row.teacher == nullptr) fail("[distill]: there are no teacher probabilities for this batch");
    // Samples are evaluated by several threads at once.
    static thread_local std::vector<double> workspace;
    workspace.resize(3 * static_cast<size_t>(row.classes));
    return formula_(row, 0, {workspace.data(), nullptr}, gradient, math::OneLane());
  }

  std::string describe() const override {
    return format("labels x %g + teacher x %g, temperature %g", 1 - formula_.lambda, formula_.lambda,
                  formula_.temperature);
  }

 private:
  DistillFormula formula_;
};

}  // namespace

DistillFormula distill_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("lambda"), layer.options.real("temperature")};
}

graph::Op distill_op() {
  graph::Op op = cost_op("distill", "labels and a frozen teacher: the student",
                         [](const graph::LayerConfig& layer) { return std::make_unique<DistillCost>(layer); });
  op.option(cfg::ours(cfg::real_option("lambda", "0.6", 0, 1, "weight of the teacher; the labels get 1 - lambda")))
      .option(cfg::open_low(cfg::ours(cfg::real_option("temperature", "1", 0, 1e4, "softens teacher and student"))))
      .option(cfg::ours(cfg::text_option("teacher", "", "cfg of the teacher")))
      .option(cfg::ours(cfg::text_option("teacher_weights", "", "weights of the teacher")))
      .option(
          cfg::ours(cfg::text_option("targets", "", "cached teacher outputs, instead of teacher and teacher_weights")));
  return op;
}

}  // namespace dng::layers
