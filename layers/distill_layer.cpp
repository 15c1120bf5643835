#include "layers/distill_layer.h"

#include <vector>

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class DistillCost final : public Cost {
 public:
  explicit DistillCost(const LayerConfig& layer) : formula_(distill_formula(layer)) {}

  double evaluate(const CostRow<double>& row, double, double* gradient) override {
    if (row.teacher == nullptr) fail("[distill]: there are no teacher probabilities for this batch");
    // Samples are evaluated by several threads at once.
    static thread_local std::vector<double> scratch;
    scratch.resize(3 * static_cast<size_t>(row.classes));
    return formula_(row, 0, {scratch.data(), nullptr}, gradient, OneLane());
  }

  std::string describe() const override {
    return format("labels x %g + teacher x %g, temperature %g", 1 - formula_.lambda, formula_.lambda,
                  formula_.temperature);
  }

 private:
  DistillFormula formula_;
};

}  // namespace

DistillFormula distill_formula(const LayerConfig& layer) {
  return {layer.options.real("lambda"), layer.options.real("temperature")};
}

Op distill_op() {
  Op op = cost_op("distill", "labels and a frozen teacher: the student",
                  [](const LayerConfig& layer) { return std::make_unique<DistillCost>(layer); });
  op.option(ours(real_option("lambda", "0.6", 0, 1, "weight of the teacher; the labels get 1 - lambda")))
      .option(open_low(ours(real_option("temperature", "1", 0, 1e4, "softens teacher and student"))))
      .option(ours(text_option("teacher", "", "cfg of the teacher")))
      .option(ours(text_option("teacher_weights", "", "weights of the teacher")))
      .option(ours(text_option("targets", "", "cached teacher outputs, instead of teacher and teacher_weights")));
  return op;
}

}  // namespace dng
