#include "layers/tsd_layer.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "layers/cost.h"

namespace dng {
namespace {

class TsdCost final : public Cost {
 public:
  explicit TsdCost(const LayerConfig& layer)
      : k_(layer.options.integer("k")),
        truth_(layer.options.text("primary") == "truth"),
        warmup_(layer.options.real("warmup_epochs")) {
    const Options& o = layer.options;
    if (o.given("confidence")) {
      confidence_ = o.real("confidence");
      eta_ = eta_of_confidence(confidence_, k_);
    } else {
      eta_ = o.real("eta");
    }
  }

  double evaluate(const CostRow<double>& row, double epoch, double* gradient) override {
    const double progress = warmup_ > 0 ? std::min(1.0, epoch / warmup_) : 1.0;
    const double eta = progress < 1 ? 1 + (eta_ - 1) * progress : eta_;
    // Samples are evaluated by several threads at once.
    static thread_local std::vector<unsigned char> rank;
    rank.resize(static_cast<size_t>(row.classes));
    return top_score_difference(row, eta, k_, truth_, rank.data(), gradient);
  }

  std::string describe() const override {
    std::string text = format("cross entropy x %.6g + top-score difference x %.6g", eta_, 1 - eta_);
    if (confidence_ > 0) text += format(" (confidence %g)", confidence_);
    text += format(", k %d, primary %s", k_, truth_ ? "truth" : "top");
    if (warmup_ > 0) text += format(", from plain cross entropy over %g epochs", warmup_);
    return text;
  }

 private:
  int k_;
  bool truth_;
  double warmup_, eta_ = 1, confidence_ = 0;
};

void check(const LayerConfig& layer, const ShapeContext&) {
  const Options& o = layer.options;
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

Op tsd_op() {
  Op op = cost_op("tsd", "cross entropy plus top-score difference: the tolerant patriarch",
                  [](const LayerConfig& layer) { return std::make_unique<TsdCost>(layer); });
  op.option(ours(real_option("eta", "", 0, 1, "weight of the cross entropy, literally")))
      .option(open_low(ours(real_option("confidence", "", 0, 1, "wanted on the primary class, instead of eta"))))
      .option(ours(integer_option("k", "5", 2, 1 << 20, "scores compared, the primary one included")))
      .option(ours(choice_option("primary", "top", {"top", "truth"}, "the largest output, or the label")))
      .option(ours(real_option("warmup_epochs", "0", 0, 1e6, "epochs over which eta falls from 1 to its value")))
      .checked(check);
  return op;
}

}  // namespace dng
