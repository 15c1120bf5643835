#include "layers/costs/tsd.h"

#include <algorithm>

#include "base/error.h"
#include "layers/costs/cost_op.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

std::string describe(const graph::LayerConfig& layer) {
  const TsdFormula f = tsd_formula(layer);
  std::string text = format("cross entropy x %.6g + top-score difference x %.6g", f.eta, 1 - f.eta);
  if (layer.options.given("confidence")) text += format(" (confidence %g)", layer.options.real("confidence"));
  text += format(", k %d, primary %s", f.k, f.primary_is_label ? "truth" : "top");
  if (f.warmup > 0) text += format(", from plain cross entropy over %g epochs", f.warmup);
  return text;
}

// At most as many scores as there are classes.
int scores_compared(const graph::LayerConfig& layer) {
  return std::min(layer.options.integer("k"), static_cast<int>(layer.out.size()));
}

void check(const graph::LayerConfig& layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer.options;
  const int k = scores_compared(layer), classes = static_cast<int>(layer.out.size());
  if (o.given("k") && o.integer("k") > classes) {
    show_error(
        format("%s: there are %d classes: all are compared, as with k=%d", o.where("k").c_str(), classes, classes)
            .c_str());
  }
  if (o.given("eta") == o.given("confidence")) {
    fail(
        "%s: give exactly one of eta= (literal weight of the cross entropy) and confidence= (wanted on the primary "
        "class)",
        o.where(o.given("eta") ? "eta" : "confidence").c_str());
  }
  if (o.given("confidence") && o.real("confidence") * k <= 1) {
    fail("%s: must be above 1/k = %g: %d equal scores have that much each; raise it or k",
         o.where("confidence").c_str(), 1.0 / k, k);
  }
}

}  // namespace

double eta_of_confidence(double confidence, int k) {
  // At u = 1 the optimum is one-hot from eta = k / (2k - 1) on; D(1.0, .) is the baseline, so plain cross entropy.
  return confidence >= 1 ? 1 : confidence * k / (k - 1 + confidence * k);
}

TsdFormula tsd_formula(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const int k = scores_compared(layer);
  const double eta = o.given("confidence") ? eta_of_confidence(o.real("confidence"), k) : o.real("eta");
  return {eta, o.real("warmup_epochs"), k, o.text("primary") == "truth"};
}

graph::Op tsd_op() {
  return cost_op("tsd", "cross entropy plus top-score difference: the tolerant patriarch", tsd_formula, describe)
      .option(cfg::ours(cfg::real_option("eta", "", 0, 1, "weight of the cross entropy, literally")))
      .option(cfg::open_low(cfg::ours(
          cfg::real_option("confidence", "", 0, 1, "wanted on the primary class, above 1/k; instead of eta"))))
      .option(cfg::ours(
          cfg::integer_option("k", "5", 2, 1 << 20, "scores compared, the primary one included; more than C: C")))
      .option(cfg::ours(cfg::choice_option("primary", "top", {"top", "truth"}, "the largest output, or the label")))
      .option(
          cfg::ours(cfg::real_option("warmup_epochs", "0", 0, 1e6, "epochs over which eta falls from 1 to its value")))
      .checked(check);
}

}  // namespace dng::layers
