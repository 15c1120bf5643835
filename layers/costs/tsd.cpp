#include "layers/costs/tsd.h"

#include <vector>

#include "base/error.h"
#include "layers/costs/cost_op.h"

namespace dng::layers {
namespace {

class TsdCost final : public math::Cost {
 public:
  explicit TsdCost(const graph::LayerConfig& layer)
      : formula_(tsd_formula(layer)),
        confidence_(layer.options.given("confidence") ? layer.options.real("confidence") : 0) {}

  double evaluate(const math::CostRow<double>& row, double epoch, double* gradient) override {
    // Samples are evaluated by several threads at once.
    static thread_local std::vector<unsigned char> rank;
    rank.resize(static_cast<size_t>(row.classes));
    return formula_(row, epoch, {nullptr, rank.data()}, gradient, math::OneLane());
  }

  std::string describe() const override {
    std::string text = format("cross entropy x %.6g + top-score difference x %.6g", formula_.eta, 1 - formula_.eta);
    if (confidence_ > 0) text += format(" (confidence %g)", confidence_);
    text += format(", k %d, primary %s", formula_.k, formula_.truth ? "truth" : "top");
    if (formula_.warmup > 0) text += format(", from plain cross entropy over %g epochs", formula_.warmup);
    return text;
  }

 private:
  TsdFormula formula_;
  double confidence_;
};

void check(const graph::LayerConfig& layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer.options;
  const int k = o.integer("k"), classes = static_cast<int>(layer.out.size());
  if (k > classes) {
    fail("%s: found %d, the network has %d outputs; allowed is 2 to %d", o.where("k").c_str(), k, classes, classes);
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
  const int k = o.integer("k");
  const double eta = o.given("confidence") ? eta_of_confidence(o.real("confidence"), k) : o.real("eta");
  return {eta, o.real("warmup_epochs"), k, o.text("primary") == "truth"};
}

graph::Op tsd_op() {
  graph::Op op = cost_op("tsd", "cross entropy plus top-score difference: the tolerant patriarch",
                         [](const graph::LayerConfig& layer) { return std::make_unique<TsdCost>(layer); });
  op.option(cfg::ours(cfg::real_option("eta", "", 0, 1, "weight of the cross entropy, literally")))
      .option(cfg::open_low(cfg::ours(
          cfg::real_option("confidence", "", 0, 1, "wanted on the primary class, above 1/k; instead of eta"))))
      .option(
          cfg::ours(cfg::integer_option("k", "5", 2, 1 << 20, "scores compared, the primary one included; at most C")))
      .option(cfg::ours(cfg::choice_option("primary", "top", {"top", "truth"}, "the largest output, or the label")))
      .option(
          cfg::ours(cfg::real_option("warmup_epochs", "0", 0, 1e6, "epochs over which eta falls from 1 to its value")))
      .checked(check);
  return op;
}

}  // namespace dng::layers
