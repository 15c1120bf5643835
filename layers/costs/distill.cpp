#include "layers/costs/distill.h"

#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  const DistillFormula f = distill_formula(layer);
  return format("labels x %g + teacher x %g, temperature %g", 1 - f.lambda, f.lambda, f.temperature);
}

}  // namespace

DistillFormula distill_formula(const graph::LayerConfig& layer) {
  return {layer.options.real("lambda"), layer.options.real("temperature")};
}

graph::Op distill_op() {
  return cost_op("distill", "labels and a frozen teacher: the student", distill_formula, describe)
      .option(cfg::ours(cfg::real_option("lambda", "0.6", 0, 1, "weight of the teacher; the labels get 1 - lambda")))
      .option(cfg::open_low(cfg::ours(cfg::real_option("temperature", "1", 0, 1e4, "softens teacher and student"))))
      .option(cfg::ours(cfg::text_option("teacher", "", "cfg of the teacher")))
      .option(cfg::ours(cfg::text_option("teacher_weights", "", "weights of the teacher")))
      .option(
          cfg::ours(cfg::text_option("targets", "", "cached teacher outputs, instead of teacher and teacher_weights")));
}

}  // namespace dng::layers
