// The costs against values in 60 digits, against differences of their own loss, and against what must be equal.
#include "layers/costs/cost_op.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "cpu/kernel.h"
#include "layers/costs/tsd.h"
#include "network/network.h"
#include "tests/compare.h"
#include "tests/network/gradient_check.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::config_of;
using test::expect_error;
using test::net_text;

using Values = std::vector<double>;

// A cfg that ends with the cost; `options` are parted by blanks.
graph::NetworkConfig cost_config(const std::string& section, const std::string& options, int classes, int batch = 1) {
  std::string lines = options;
  std::replace(lines.begin(), lines.end(), ' ', '\n');
  return config_of(net_text(batch, {1, 2, 2}) + "[avgpool]\n[connected]\noutput=" + std::to_string(classes) + "\n[" +
                   section + "]\n" + lines + "\n");
}

struct Result {
  double loss = 0;
  Values gradient;
};

// The maths of a cost alone, in double.
class CostOf {
 public:
  CostOf(const std::string& section, const std::string& options, int classes)
      : config_(cost_config(section, options, classes)), cost_(config_.cost().op->cost(config_.cost())) {}

  Result operator()(const Values& z, int label, const Values& teacher = {}, double epoch = 1e30, double smoothing = 0,
                    const LabelMix* mix = nullptr, const std::vector<float>& class_weights = {}) const {
    Values log_f(z.size()), f(z.size());
    const int classes = static_cast<int>(z.size());
    math::log_softmax(classes, z.data(), log_f.data(), f.data());
    Result result;
    result.gradient.assign(z.size(), std::nan(""));
    const math::CostRow row{classes,   z.data(), log_f.data(),
                            f.data(),  label,    teacher.empty() ? nullptr : teacher.data(),
                            smoothing, mix,      class_weights.empty() ? nullptr : class_weights.data()};
    result.loss = cost_->evaluate(row, epoch, result.gradient.data());
    return result;
  }
  std::string describe() const { return cost_->describe(); }

 private:
  graph::NetworkConfig config_;
  std::unique_ptr<math::Cost> cost_;
};

Values softmax(const Values& z, double temperature = 1) {
  Values scaled = z, log_f(z.size()), f(z.size());
  for (double& value : scaled) value /= temperature;
  math::log_softmax(static_cast<int>(z.size()), scaled.data(), log_f.data(), f.data());
  return f;
}

double largest(const Values& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::fabs(value));
  return most;
}

Values random_logits(CounterRandom* random, int classes, double spread) {
  Values z(static_cast<size_t>(classes));
  for (double& value : z) value = spread * random->normal();
  return z;
}

struct Variant {
  std::string section, options;
  bool ranked = false;  // its gradient jumps where ranks change
  int k = 0;
  bool truth = false;
};

std::vector<Variant> variants() {
  return {{"softmax", "", false, 0, false},
          {"tsd", "eta=0.6 k=2", true, 2, false},
          {"tsd", "eta=0.3 k=3", true, 3, false},
          {"tsd", "confidence=0.6 k=3", true, 3, false},
          {"tsd", "eta=0.4 k=3 primary=truth", true, 3, true},
          {"tsd", "eta=0 k=2 primary=truth", true, 2, true},
          {"distill", "lambda=0.6", false, 0, false},
          {"distill", "lambda=0.5 temperature=2", false, 0, false},
          {"distill", "lambda=1 temperature=0.5", false, 0, false},
          {"label_smoothing", "epsilon=0.1", false, 0, false},
          {"label_smoothing", "epsilon=0.9", false, 0, false},
          {"confidence_penalty", "beta=0.1", false, 0, false},
          {"confidence_penalty", "beta=2", false, 0, false}};
}

// ---- golden values ----

struct GoldenSample {
  int label = 0;
  Values logits, teacher, gradient;
  double loss = 0;
};
struct GoldenCase {
  std::string name, section, options;
  std::vector<float> class_weights;
  std::vector<GoldenSample> samples;
};

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  std::istringstream file(read_file(test::source_path("tests/golden/costs.txt"), "the golden values"));
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string kind, word;
    words >> kind;
    if (kind == "case") {
      GoldenCase made;
      words >> made.name >> made.section;
      while (words >> word) made.options += (made.options.empty() ? "" : " ") + word;
      cases.push_back(made);
    } else if (kind == "weights") {
      while (words >> word) cases.back().class_weights.push_back(std::strtof(word.c_str(), nullptr));
    } else if (kind == "sample") {
      GoldenSample sample;
      words >> sample.label;
      Values* into = &sample.logits;
      while (words >> word) {
        if (word == "|") {
          into = &sample.teacher;
        } else {
          into->push_back(std::strtof(word.c_str(), nullptr));
        }
      }
      cases.back().samples.push_back(sample);
    } else if (kind == "loss") {
      words >> word;
      cases.back().samples.back().loss = std::strtod(word.c_str(), nullptr);
    } else if (kind == "grad") {
      while (words >> word) cases.back().samples.back().gradient.push_back(std::strtod(word.c_str(), nullptr));
    }
  }
  return cases;
}

// Of the teacher's row, as the golden values have it.
Values normalised(Values row) {
  double sum = 0;
  for (const double value : row) sum += value;
  for (double& value : row) value /= sum;
  return row;
}

// Differences of numbers near one have no relative accuracy; this is what rounding leaves of them.
constexpr double kRounding = 4e-16;

TEST(Costs, MatchValuesInSixtyDigits) {
  const std::vector<GoldenCase> cases = golden_cases();
  ASSERT_GE(cases.size(), 66U);
  double worst_loss = 0, worst_gradient = 0;
  int samples = 0;
  for (const GoldenCase& golden : cases) {
    for (const GoldenSample& sample : golden.samples) {
      const CostOf cost(golden.section, golden.options, static_cast<int>(sample.logits.size()));
      const Values teacher = sample.teacher.empty() ? Values() : normalised(sample.teacher);
      const Result result = cost(sample.logits, sample.label, teacher, 1e30, 0, nullptr, golden.class_weights);
      ASSERT_EQ(result.gradient.size(), sample.gradient.size());
      const auto error = [](double got, double wanted, double floor) {
        return std::max(0.0, std::fabs(got - wanted) - floor) / std::max(std::fabs(wanted), 1e-300);
      };
      const double loss_error = error(result.loss, sample.loss, kRounding);
      EXPECT_LE(loss_error, 1e-12) << golden.name << ": " << result.loss << " for " << sample.loss;
      worst_loss = std::max(worst_loss, loss_error);
      for (size_t j = 0; j < sample.gradient.size(); ++j) {
        const double gradient_error = error(result.gradient[j], sample.gradient[j], kRounding);
        EXPECT_LE(gradient_error, 1e-12) << golden.name << ", class " << j << ": " << result.gradient[j] << " for "
                                         << sample.gradient[j];
        worst_gradient = std::max(worst_gradient, gradient_error);
      }
      ++samples;
    }
  }
  EXPECT_GT(samples, 200);
  RecordProperty("worst_loss", format("%.2g", worst_loss));
  RecordProperty("worst_gradient", format("%.2g", worst_gradient));
}

// ---- gradients ----

std::vector<unsigned char> ranks_of(const Values& z, int label, const Variant& variant) {
  std::vector<unsigned char> rank(z.size());
  const int classes = static_cast<int>(z.size());
  layers::mark_top(classes, z.data(), variant.k, variant.truth ? label : layers::arg_max(classes, z.data()),
                   rank.data());
  return rank;
}

TEST(Costs, GradientsMatchFiniteDifferences) {
  double worst = 0;
  for (const Variant& variant : variants()) {
    size_t checked = 0;
    for (const int classes : {3, 5, 10, 100}) {
      const CostOf cost(variant.section, variant.options, classes);
      for (uint64_t sample = 0; sample < (classes == 100 ? 4U : 12U); ++sample) {
        CounterRandom random(11, Stream::kTest, static_cast<uint64_t>(classes), sample);
        const Values z = random_logits(&random, classes, 1.5);
        const int label = static_cast<int>(random.below(static_cast<uint32_t>(classes)));
        Values teacher;
        if (variant.section == "distill") teacher = softmax(random_logits(&random, classes, 2));
        const auto loss = [&](const Values& x) { return cost(x, label, teacher).loss; };
        test::GradientCheckOptions options;
        options.tolerance = 1e-6;
        if (variant.ranked) {
          options.near_kink = [&](const Values& x, size_t index, double step) {
            Values above = x, below = x;
            above[index] += step;
            below[index] -= step;
            return ranks_of(above, label, variant) != ranks_of(below, label, variant);
          };
          options.maximum_skipped = 0.4;
        }
        const Values gradient = cost(z, label, teacher).gradient;
        const test::GradientCheckResult result = test::check_gradient(loss, z, gradient, options);
        EXPECT_TRUE(result.ok) << variant.section << " " << variant.options << ", " << classes << " classes, sample "
                               << sample << ": " << result.message;
        checked += result.checked;
        worst = std::max(worst, result.max_relative_error);
        for (const double factor : {1.01, 0.99, -1.0, 0.0}) {
          Values wrong = gradient;
          for (double& value : wrong) value *= factor;
          EXPECT_FALSE(test::check_gradient(loss, z, wrong, options).ok)
              << variant.section << " passes a gradient times " << factor;
        }
      }
    }
    EXPECT_GT(checked, 550U) << variant.section << " " << variant.options;
  }
  RecordProperty("worst", format("%.2g", worst));
}

TEST(Costs, GradientsSumToZero) {
  for (const Variant& variant : variants()) {
    for (uint64_t sample = 0; sample < 20; ++sample) {
      CounterRandom random(12, Stream::kTest, 0, sample);
      const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2));
      const Result result = CostOf(variant.section, variant.options, 10)(z, static_cast<int>(sample % 10), teacher);
      double sum = 0;
      for (const double g : result.gradient) sum += g;
      EXPECT_GT(largest(result.gradient), 1e-4);
      EXPECT_NEAR(sum, 0, 1e-14 * largest(result.gradient) * 10) << variant.section << " " << variant.options;
    }
  }
}

TEST(Costs, ConstantAddedToAllLogitsChangesNothing) {
  for (const Variant& variant : variants()) {
    const CostOf cost(variant.section, variant.options, 10);
    for (uint64_t sample = 0; sample < 20; ++sample) {
      CounterRandom random(13, Stream::kTest, 0, sample);
      const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2));
      const Result before = cost(z, 3, teacher);
      for (const double constant : {-8.0, 0.37, 100.0}) {
        Values moved = z;
        for (double& value : moved) value += constant;
        const Result after = cost(moved, 3, teacher);
        // Moving by 100 rounds the logits themselves to 100 * 2^-53.
        EXPECT_NEAR(after.loss, before.loss, 1e-12 * std::max(1.0, std::fabs(before.loss))) << variant.section;
        for (size_t j = 0; j < z.size(); ++j) {
          EXPECT_NEAR(after.gradient[j], before.gradient[j], 1e-12 * largest(before.gradient)) << variant.section;
        }
      }
    }
  }
}

TEST(Costs, PermutingClassesPermutesResults) {
  for (const Variant& variant : variants()) {
    const CostOf cost(variant.section, variant.options, 10);
    for (uint64_t sample = 0; sample < 20; ++sample) {
      CounterRandom random(14, Stream::kTest, 0, sample);
      const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2));
      const int label = static_cast<int>(random.below(10));
      const Result before = cost(z, label, teacher);
      const std::vector<uint32_t> order = epoch_order(14, sample, 10);
      Values moved(10), moved_teacher(10);
      for (size_t j = 0; j < 10; ++j) {
        moved[order[j]] = z[j];
        moved_teacher[order[j]] = teacher[j];
      }
      const Result after = cost(moved, static_cast<int>(order[static_cast<size_t>(label)]), moved_teacher);
      EXPECT_NEAR(after.loss, before.loss, 1e-13 * std::max(1.0, std::fabs(before.loss)));
      for (size_t j = 0; j < 10; ++j) {
        EXPECT_NEAR(after.gradient[order[j]], before.gradient[j], 1e-13) << variant.section;
      }
    }
  }
}

// label_smooth_eps and mixed images: every cost's cross entropy is with the soft label, whatever its weight in the
// cost.
TEST(Costs, LabelsAreSoftInTheCrossEntropy) {
  struct Weighted {
    const char *section, *options;
    double weight;
  };
  // Two images of one class among them.
  const LabelMix mix = {{3, 7, 3, 0}, {0.25, 0.3125, 0.25, 0.1875}};
  for (const Weighted& c :
       {Weighted{"softmax", "", 1}, Weighted{"tsd", "eta=0.3 k=3", 0.3},
        Weighted{"tsd", "eta=0.3 k=3 primary=truth", 0.3}, Weighted{"distill", "lambda=0.6", 0.4},
        Weighted{"label_smoothing", "epsilon=0.1", 0.9}, Weighted{"confidence_penalty", "beta=0.5", 1}}) {
    const CostOf cost(c.section, c.options, 10);
    CounterRandom random(17, Stream::kTest, 0, 0);
    const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2)), f = softmax(z);
    const Result plain = cost(z, 3, teacher);
    for (const double e : {0.0, 0.2}) {
      for (const LabelMix* mixed : {&mix, static_cast<const LabelMix*>(nullptr)}) {
        Values label(10, mixed != nullptr || e > 0 ? e / 9 : 0);
        if (mixed == nullptr) label[3] = 1 - e;
        for (size_t k = 0; k < LabelMix::kMax && mixed != nullptr; ++k) {
          label[static_cast<size_t>(mix.classes[k])] += mix.weights[k] * (1 - e - e / 9);
        }
        const Result soft = cost(z, 3, teacher, 1e30, e, mixed);
        double difference = 0;
        for (size_t j = 0; j < z.size(); ++j) {
          const double moved = label[j] - (j == 3 ? 1 : 0);
          difference -= moved * std::log(f[j]);
          EXPECT_NEAR(soft.gradient[j] - plain.gradient[j], -c.weight * moved, 1e-14) << c.section;
        }
        EXPECT_NEAR(soft.loss - plain.loss, c.weight * difference, 1e-13) << c.section;
      }
    }
  }
}

// An image that was not mixed, in a training that mixes.
TEST(Costs, AMixOfOneImageChangesNoBit) {
  const LabelMix mix = {{3, 0, 0, 0}, {1, 0, 0, 0}};
  for (const Variant& variant : variants()) {
    const CostOf cost(variant.section, variant.options, 10);
    CounterRandom random(19, Stream::kTest, 0, 0);
    const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2));
    for (const double e : {0.0, 0.2}) {
      const Result plain = cost(z, 3, teacher, 1e30, e), mixed = cost(z, 3, teacher, 1e30, e, &mix);
      EXPECT_EQ(plain.gradient, mixed.gradient) << variant.section;
      EXPECT_EQ(plain.loss, mixed.loss) << variant.section;
    }
  }
}

std::vector<float> random_weights(CounterRandom* random, int classes) {
  std::vector<float> weights(static_cast<size_t>(classes));
  for (float& weight : weights) weight = static_cast<float>(random->uniform(0, 3));
  weights[static_cast<size_t>(classes) - 1] = 0;
  return weights;
}

TEST(Costs, GradientsWithClassWeightsMatchFiniteDifferences) {
  const LabelMix mix = {{3, 7, 3, 9}, {0.25, 0.3125, 0.25, 0.1875}};
  for (const Variant& variant : variants()) {
    if (variant.ranked) continue;  // the term with the ranks has no weights, so nothing else is checked here
    const CostOf cost(variant.section, variant.options, 10);
    for (uint64_t sample = 0; sample < 8; ++sample) {
      CounterRandom random(31, Stream::kTest, 0, sample);
      const Values z = random_logits(&random, 10, 1.5), teacher = softmax(random_logits(&random, 10, 2));
      const std::vector<float> weights = random_weights(&random, 10);
      const double smoothing = sample % 2 == 0 ? 0 : 0.2;
      const LabelMix* mixed = sample % 4 < 2 ? nullptr : &mix;
      const auto run = [&](const Values& x) { return cost(x, 3, teacher, 1e30, smoothing, mixed, weights); };
      test::GradientCheckOptions options;
      options.tolerance = 1e-6;
      const Values gradient = run(z).gradient;
      const auto loss = [&](const Values& x) { return run(x).loss; };
      const test::GradientCheckResult result = test::check_gradient(loss, z, gradient, options);
      EXPECT_TRUE(result.ok) << variant.section << " " << variant.options << ", " << sample << ": " << result.message;
      if (variant.options == "lambda=1 temperature=0.5") continue;  // the teacher alone
      const Values unweighted = cost(z, 3, teacher, 1e30, smoothing, mixed).gradient;
      EXPECT_FALSE(test::check_gradient(loss, z, unweighted, options).ok) << variant.section;
    }
  }
}

// Of every cost the label's term is -sum w y log f, and nothing else has weights.
TEST(Costs, ClassWeightsWeighTheLabelAlone) {
  struct Weighted {
    const char *section, *options;
    double weight, uniform;  // of the cross entropy in the cost; share of the uniform distribution in the label
  };
  for (const Weighted& c :
       {Weighted{"softmax", "", 1, 0}, Weighted{"tsd", "eta=0.3 k=3", 0.3, 0},
        Weighted{"tsd", "eta=0.3 k=3 primary=truth", 0.3, 0}, Weighted{"distill", "lambda=0.6 temperature=2", 0.4, 0},
        Weighted{"label_smoothing", "epsilon=0.1", 1, 0.1}, Weighted{"confidence_penalty", "beta=0.5", 1, 0}}) {
    const CostOf cost(c.section, c.options, 10);
    CounterRandom random(32, Stream::kTest, 0, 0);
    const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2)), f = softmax(z);
    const std::vector<float> weights = random_weights(&random, 10);
    const Result plain = cost(z, 3, teacher), found = cost(z, 3, teacher, 1e30, 0, nullptr, weights);
    Values moved(10);  // (w - 1) times the label
    double total = 0, loss = 0;
    for (size_t j = 0; j < 10; ++j) {
      const double label = (1 - c.uniform) * (j == 3 ? 1 : 0) + c.uniform / 10;
      moved[j] = (static_cast<double>(weights[j]) - 1) * label;
      total += moved[j];
      loss -= moved[j] * std::log(f[j]);
    }
    EXPECT_NEAR(found.loss - plain.loss, c.weight * loss, 1e-13) << c.section;
    for (size_t j = 0; j < 10; ++j) {
      EXPECT_NEAR(found.gradient[j] - plain.gradient[j], c.weight * (f[j] * total - moved[j]), 1e-14) << c.section;
    }
  }
}

TEST(Costs, ClassWeightsOfOneChangeNoBit) {
  const std::vector<float> ones(10, 1.0f);
  for (const Variant& variant : variants()) {
    const CostOf cost(variant.section, variant.options, 10);
    CounterRandom random(33, Stream::kTest, 0, 0);
    const Values z = random_logits(&random, 10, 2), teacher = softmax(random_logits(&random, 10, 2));
    const Result plain = cost(z, 3, teacher), found = cost(z, 3, teacher, 1e30, 0, nullptr, ones);
    EXPECT_EQ(plain.gradient, found.gradient) << variant.section;
    EXPECT_EQ(plain.loss, found.loss) << variant.section;
  }
}

TEST(Costs, GradientScaleLeavesTheLoss) {
  const CostOf once("softmax", "", 5), twice("softmax", "gradient_scale=2", 5);
  const Values z = {1, 2, -1, 0.5, 0};
  EXPECT_EQ(once(z, 2).loss, twice(z, 2).loss);
  for (size_t j = 0; j < z.size(); ++j) EXPECT_EQ(2 * once(z, 2).gradient[j], twice(z, 2).gradient[j]);
  EXPECT_EQ(twice.describe(), "cross entropy, gradient x 2");
}

TEST(Costs, ExtremeLogitsGiveFiniteLossesAndGradients) {
  const std::vector<Values> rows = {{1e4, -1e4, 1e4, -1e4, 0},      {1e4, 1e4, 1e4, 1e4, 1e4},
                                    {-1e4, -1e4, -1e4, -1e4, -1e4}, {1e4, -1e4, -1e4, -1e4, -1e4},
                                    {-1e4, 3, 2.5, 1e4, 1e-4},      {0, 0, 0, 0, 0},
                                    {1e4, 9999.5, -1e4, 50, -50}};
  for (const Variant& variant : variants()) {
    const CostOf cost(variant.section, variant.options, 5);
    for (const Values& z : rows) {
      for (const Values& teacher : {Values{1, 0, 0, 0, 0}, Values{0.2, 0.2, 0.2, 0.2, 0.2},
                                    Values{1 - 1e-30, 1e-30, 0, 0, 0}, softmax({1e4, -1e4, 0, 0, 0})}) {
        for (int label = 0; label < 5; ++label) {
          const Result result = cost(z, label, teacher);
          EXPECT_TRUE(std::isfinite(result.loss)) << variant.section << " " << variant.options;
          for (const double g : result.gradient) {
            EXPECT_TRUE(std::isfinite(g)) << variant.section << " " << variant.options;
            // Of probabilities, times 1 + beta ln C or the temperature.
            EXPECT_LE(std::fabs(g), 5) << variant.section << " " << variant.options;
          }
        }
      }
    }
  }
}

// ---- tsd ----

TEST(TsdLayer, TiesGoToTheLowerIndex) {
  const Values z = {1, 2, 2, 2, 0, 1};
  const double eta = 0.5;
  const Values f = softmax(z);
  // Primary 1, then 2 and 3; of the two ones with logit 1 the first.
  for (const int k : {2, 3, 4}) {
    Values c(z.size(), 0);
    c[1] = 1;
    const std::vector<size_t> next = {2, 3, 0};
    double gap = f[1];
    for (int i = 0; i + 1 < k; ++i) {
      c[next[static_cast<size_t>(i)]] = -1.0 / (k - 1);
      gap -= f[next[static_cast<size_t>(i)]] / (k - 1);
    }
    const Result result = CostOf("tsd", "eta=0.5 k=" + std::to_string(k), 6)(z, 5);
    EXPECT_NEAR(result.loss, eta * -std::log(f[5]) + (1 - eta) * gap, 1e-15);
    for (size_t j = 0; j < z.size(); ++j) {
      EXPECT_NEAR(result.gradient[j], eta * (f[j] - (j == 5 ? 1 : 0)) + (1 - eta) * f[j] * (c[j] - gap), 1e-15) << j;
    }
  }
}

TEST(TsdLayer, TruthMakesTheLabelPrimaryWhereverItRanks) {
  const Values z = {3, 2, 1, 0}, f = softmax(z);
  const Result result = CostOf("tsd", "eta=0 k=2 primary=truth", 4)(z, 2);
  EXPECT_NEAR(result.loss, f[2] - f[0], 1e-15);
  EXPECT_NEAR(CostOf("tsd", "eta=0 k=2", 4)(z, 2).loss, f[0] - f[1], 1e-15);
}

TEST(TsdLayer, EtaOfConfidenceInvertsTheOptimum) {
  EXPECT_DOUBLE_EQ(layers::eta_of_confidence(0.6, 5), 3.0 / 7);
  EXPECT_EQ(layers::eta_of_confidence(1, 5), 1);
  for (const int k : {2, 3, 5, 10, 100}) {
    for (double u = 1.0 / k + 0.01; u < 1; u += 0.07) {
      const double eta = layers::eta_of_confidence(u, k);
      EXPECT_NEAR(eta * (k - 1) / ((1 - eta) * k), u, 1e-12);
    }
  }
  EXPECT_NEAR(CostOf("tsd", "confidence=0.6", 5)({1, 2, 3, 4, 5}, 0).loss,
              CostOf("tsd", "eta=0.42857142857142855", 5)({1, 2, 3, 4, 5}, 0).loss, 1e-15);
}

// Where gradient descent on the logits of one sample with label 0 ends: the probability of the label.
double optimum(const std::string& options, int classes, int steps, double rate) {
  const CostOf cost("tsd", options, classes);
  Values z(static_cast<size_t>(classes));
  for (size_t j = 0; j < z.size(); ++j) z[j] = 0.01 * static_cast<double>(j);
  z[0] = 0.5;
  for (int step = 0; step < steps; ++step) {
    const Result result = cost(z, 0);
    for (size_t j = 0; j < z.size(); ++j) z[j] -= rate * result.gradient[j];
  }
  return softmax(z)[0];
}

TEST(TsdLayer, OptimumPutsTheWantedConfidenceOnThePrimaryClass) {
  for (const char* confidence : {"0.3", "0.6", "0.9"}) {
    EXPECT_NEAR(optimum(std::string("k=5 confidence=") + confidence, 5, 4000, 2), std::stod(confidence), 1e-9);
  }
  EXPECT_NEAR(optimum("k=3 confidence=0.6", 3, 4000, 2), 0.6, 1e-9);
  // A literal eta, as the paper's formula has it: p* = min(1, eta (k-1) / ((1-eta) k)).
  EXPECT_NEAR(optimum("k=5 eta=0.3", 5, 4000, 2), 12.0 / 35, 1e-9);
  EXPECT_NEAR(optimum("k=5 eta=0.4", 5, 4000, 2), 8.0 / 15, 1e-9);
  EXPECT_NEAR(optimum("k=5 eta=0.5", 5, 4000, 2), 0.8, 1e-9);
  EXPECT_GT(optimum("k=5 eta=0.6", 5, 20000, 5), 0.999);
}

TEST(TsdLayer, WarmupRampsFromCrossEntropy) {
  const Values z = {0.3, -1, 2, 0.7, 1.1};
  const CostOf ramped("tsd", "eta=0.4 warmup_epochs=10", 5), plain("softmax", "", 5);
  const auto expect_equal = [](const Result& a, const Result& b, double tolerance) {
    EXPECT_NEAR(a.loss, b.loss, tolerance);
    for (size_t j = 0; j < a.gradient.size(); ++j) EXPECT_NEAR(a.gradient[j], b.gradient[j], tolerance);
  };
  expect_equal(ramped(z, 1, {}, 0), plain(z, 1), 0);
  expect_equal(ramped(z, 1, {}, 2.5), CostOf("tsd", "eta=0.85", 5)(z, 1), 1e-15);
  expect_equal(ramped(z, 1, {}, 5), CostOf("tsd", "eta=0.7", 5)(z, 1), 1e-15);
  expect_equal(ramped(z, 1, {}, 10), CostOf("tsd", "eta=0.4", 5)(z, 1), 0);
  expect_equal(ramped(z, 1, {}, 300), CostOf("tsd", "eta=0.4", 5)(z, 1), 0);
  EXPECT_GT(std::fabs(ramped(z, 1, {}, 5).loss - ramped(z, 1, {}, 10).loss), 0.1);
}

TEST(TsdLayer, OptionsThatDoNotFitAreNamed) {
  const auto refused = [](const std::string& options, const std::vector<std::string>& parts) {
    expect_error([&] { cost_config("tsd", options, 10); }, parts);
  };
  refused("k=5", {"exactly one of eta=", "confidence="});
  refused("eta=0.6 confidence=0.6", {"[tsd] eta=0.6", "exactly one"});
  refused("eta=1.01", {"[tsd] eta=1.01", "from 0 to 1"});
  refused("confidence=0", {"above 0"});
  refused("confidence=0.2", {"confidence=0.2", "above 1/k = 0.2"});
  refused("confidence=0.3 k=3", {"above 1/k = 0.333333"});
  refused("eta=0.6 k=1", {"k=1", "a whole number from 2 to 1048576"});
  refused("eta=0.6 primary=trth", {"one of top, truth", "did you mean 'truth'?"});
  refused("eta=0.6 warmup_epochs=-1", {"warmup_epochs=-1"});
  EXPECT_EQ(cost_config("tsd", "eta=0.6", 10).classes(), 10);
  EXPECT_EQ(cost_config("tsd", "confidence=0.21", 10).classes(), 10);
}

TEST(TsdLayer, AtMostAllClassesAreCompared) {
  const Values z = {0.3, -1, 2};
  const Result three = CostOf("tsd", "confidence=0.6 k=3", 3)(z, 1);
  for (const char* options : {"confidence=0.6", "confidence=0.6 k=7"}) {
    testing::internal::CaptureStderr();
    const CostOf cost("tsd", options, 3);
    const std::string warning = testing::internal::GetCapturedStderr();
    EXPECT_EQ(warning.empty(), options == std::string("confidence=0.6")) << warning;
    EXPECT_EQ(cost(z, 1).loss, three.loss);
    EXPECT_EQ(cost(z, 1).gradient, three.gradient);
  }
}

// ---- distill ----

TEST(DistillLayer, TeacherThatAgreesGivesNoGradient) {
  CounterRandom random(15, Stream::kTest, 0, 0);
  for (const char* temperature : {"1", "2", "0.5", "7"}) {
    const CostOf cost("distill", std::string("lambda=1 temperature=") + temperature, 10);
    const Values z = random_logits(&random, 10, 2);
    const Result same = cost(z, 4, softmax(z));
    EXPECT_NEAR(same.loss, 0, 1e-12);
    EXPECT_NEAR(largest(same.gradient), 0, 1e-14);
    EXPECT_GT(largest(cost(z, 4, softmax(random_logits(&random, 10, 2))).gradient), 1e-2);
  }
}

TEST(DistillLayer, NeedsATeacher) {
  const CostOf cost("distill", "lambda=0.5", 3);
  expect_error([&] { cost({1, 2, 3}, 0); }, {"[distill]", "no teacher"});
}

TEST(DistillLayer, OptionsThatDoNotFitAreNamed) {
  expect_error([] { cost_config("distill", "lambda=1.5", 10); }, {"lambda=1.5", "from 0 to 1"});
  expect_error([] { cost_config("distill", "temperature=0", 10); }, {"temperature=0", "above 0"});
}

TEST(LabelSmoothingLayer, EpsilonIsBelowOne) {
  expect_error([] { cost_config("label_smoothing", "epsilon=1", 10); }, {"epsilon=1", "below 1"});
}

TEST(Costs, DescriptionsNameTheWeights) {
  EXPECT_EQ(CostOf("softmax", "", 5).describe(), "cross entropy");
  EXPECT_EQ(CostOf("tsd", "confidence=0.6", 5).describe(),
            "cross entropy x 0.428571 + top-score difference x 0.571429 (confidence 0.6), k 5, primary top");
  EXPECT_EQ(CostOf("tsd", "eta=0.25 k=2 primary=truth warmup_epochs=3", 5).describe(),
            "cross entropy x 0.25 + top-score difference x 0.75, k 2, primary truth, from plain cross entropy over 3 "
            "epochs");
  EXPECT_EQ(CostOf("distill", "lambda=0.75 temperature=2", 5).describe(),
            "labels x 0.25 + teacher x 0.75, temperature 2");
  EXPECT_EQ(CostOf("label_smoothing", "epsilon=0.25", 5).describe(), "labels x 0.75 + uniform x 0.25");
  EXPECT_EQ(CostOf("confidence_penalty", "beta=0.25", 5).describe(), "cross entropy - 0.25 x entropy");
}

// ---- kernels ----

struct Outcome {
  std::vector<float> output, delta;
  double loss = 0;
};

struct KernelInput {
  std::vector<float> logits, teacher;
  std::vector<int> labels;
  int count = -1;  // of the batch that matters; -1: all
  double epoch = 0;
  bool training = true, labelled = true;
  std::vector<float> class_weights;
};

// The cost's CPU kernel on the network's input, without a host.
Outcome run_kernel(const std::string& section, const std::string& options, const KernelInput& in) {
  const int batch = static_cast<int>(in.labels.size());
  const int classes = static_cast<int>(in.logits.size()) / batch;
  graph::NetworkConfig config = cost_config(section, options, classes, batch);
  config.layers.back().class_weights = in.class_weights;
  Outcome run;
  run.output.assign(in.logits.size(), -7);
  run.delta.assign(in.logits.size(), -7);
  cpu::Node node;
  node.config = &config.cost();
  node.batch = batch;
  node.output = run.output.data();
  node.delta = run.delta.data();
  node.sources.emplace_back();
  const std::unique_ptr<cpu::Kernel> kernel = cpu::make_kernel(config.cost());
  cpu::Setup setup;
  setup.shards.images = batch;
  kernel->prepare(node, setup);
  graph::Pass pass;
  pass.training = in.training;
  pass.input = in.logits.data();
  pass.labels = in.labelled ? in.labels.data() : nullptr;
  pass.teacher = in.teacher.empty() ? nullptr : in.teacher.data();
  pass.count = in.count < 0 ? batch : in.count;
  pass.epoch = in.epoch;
  kernel->forward(node, pass);
  run.loss = pass.loss;
  return run;
}

KernelInput random_input(uint64_t seed, int batch, int classes, double spread) {
  CounterRandom random(seed, Stream::kTest, static_cast<uint64_t>(batch), static_cast<uint64_t>(classes));
  KernelInput in;
  for (int b = 0; b < batch; ++b) {
    for (const double z : random_logits(&random, classes, spread)) in.logits.push_back(static_cast<float>(z));
    for (const double t : softmax(random_logits(&random, classes, 2))) in.teacher.push_back(static_cast<float>(t));
    in.labels.push_back(static_cast<int>(random.below(static_cast<uint32_t>(classes))));
  }
  return in;
}

TEST(CostKernel, EqualsSoftmaxBitForBitWhereTheNewTermHasNoWeight) {
  std::vector<KernelInput> inputs;
  for (const double spread : {0.1, 2.0, 30.0, 1e4}) inputs.push_back(random_input(21, 8, 10, spread));
  KernelInput extreme = random_input(22, 4, 5, 1);
  extreme.logits = {1e4f, -1e4f, 1e4f, -1e4f, 0, 0, 0, 0, 0, 0, -1e4, 3, 2.5f, 1e4f, 0, 5, 9999.5f, 1e4f, -1e4f, 50};
  inputs.push_back(extreme);
  for (const KernelInput& in : inputs) {
    const Outcome plain = run_kernel("softmax", "", in);
    for (const auto& [section, options] :
         std::vector<std::pair<std::string, std::string>>{{"tsd", "eta=1"},
                                                          {"tsd", "eta=1 k=2 primary=truth"},
                                                          {"tsd", "confidence=1"},
                                                          {"tsd", "eta=0.3 warmup_epochs=5"},  // epoch 0
                                                          {"distill", "lambda=0"},
                                                          {"distill", "lambda=0 temperature=3"},
                                                          {"label_smoothing", "epsilon=0"},
                                                          {"confidence_penalty", "beta=0"}}) {
      const Outcome run = run_kernel(section, options, in);
      EXPECT_TRUE(test::same_bits(run.output, plain.output)) << section << " " << options;
      EXPECT_TRUE(test::same_bits(run.delta, plain.delta)) << section << " " << options;
      EXPECT_EQ(run.loss, plain.loss) << section << " " << options;
    }
    // The control: with a weight, every one of them differs, and the outputs do not.
    if (&in != &inputs[1]) continue;
    for (const auto& [section, options] :
         std::vector<std::pair<std::string, std::string>>{{"tsd", "eta=0.999"},
                                                          {"distill", "lambda=0.001"},
                                                          {"label_smoothing", "epsilon=0.001"},
                                                          {"confidence_penalty", "beta=0.001"}}) {
      const Outcome run = run_kernel(section, options, in);
      EXPECT_TRUE(test::same_bits(run.output, plain.output)) << section;
      EXPECT_FALSE(test::same_bits(run.delta, plain.delta)) << section;
      EXPECT_NE(run.loss, plain.loss) << section;
    }
  }
}

TEST(CostKernel, DeltaIsTheNegativeGradientOfTheSumOverTheBatch) {
  for (const Variant& variant : variants()) {
    const KernelInput in = random_input(23, 8, 10, 2);
    const Outcome run = run_kernel(variant.section, variant.options, in);
    const CostOf cost(variant.section, variant.options, 10);
    double loss = 0;
    for (size_t b = 0; b < 8; ++b) {
      const auto row = static_cast<std::ptrdiff_t>(10 * b);
      const Values z(in.logits.begin() + row, in.logits.begin() + row + 10);
      const Values teacher(in.teacher.begin() + row, in.teacher.begin() + row + 10);
      const Result result = cost(z, in.labels[b], teacher, 0);
      loss += result.loss;
      const Values f = softmax(z);
      for (size_t j = 0; j < 10; ++j) {
        EXPECT_EQ(run.delta[10 * b + j], static_cast<float>(-result.gradient[j])) << variant.section;
        EXPECT_EQ(run.output[10 * b + j], static_cast<float>(f[j])) << variant.section;
      }
    }
    EXPECT_EQ(run.loss, loss) << variant.section;
  }
}

TEST(CostKernel, ClassWeightsCountInTrainingAlone) {
  for (const Variant& variant : variants()) {
    KernelInput in = random_input(34, 8, 10, 2);
    const Outcome plain = run_kernel(variant.section, variant.options, in);
    CounterRandom random(34, Stream::kTest, 0, 0);
    in.class_weights = random_weights(&random, 10);
    const Outcome run = run_kernel(variant.section, variant.options, in);
    const CostOf cost(variant.section, variant.options, 10);
    double loss = 0;
    for (size_t b = 0; b < 8; ++b) {
      const auto row = static_cast<std::ptrdiff_t>(10 * b);
      const Values z(in.logits.begin() + row, in.logits.begin() + row + 10);
      const Values teacher(in.teacher.begin() + row, in.teacher.begin() + row + 10);
      const Result result = cost(z, in.labels[b], teacher, 0, 0, nullptr, in.class_weights);
      loss += result.loss;
      for (size_t j = 0; j < 10; ++j) EXPECT_EQ(run.delta[10 * b + j], static_cast<float>(-result.gradient[j]));
    }
    EXPECT_EQ(run.loss, loss) << variant.section;
    EXPECT_TRUE(test::same_bits(run.output, plain.output)) << variant.section;
    in.training = false;
    EXPECT_EQ(run_kernel(variant.section, variant.options, in).loss, plain.loss) << variant.section;
  }
}

TEST(CostKernel, BatchIsTheSumOfItsSamples) {
  for (const Variant& variant : variants()) {
    const KernelInput in = random_input(24, 6, 7, 2);
    const Outcome whole = run_kernel(variant.section, variant.options, in);
    Outcome parts;
    for (std::ptrdiff_t b = 0; b < 6; ++b) {
      KernelInput one;
      one.logits.assign(in.logits.begin() + 7 * b, in.logits.begin() + 7 * b + 7);
      one.teacher.assign(in.teacher.begin() + 7 * b, in.teacher.begin() + 7 * b + 7);
      one.labels = {in.labels[static_cast<size_t>(b)]};
      const Outcome run = run_kernel(variant.section, variant.options, one);
      parts.output.insert(parts.output.end(), run.output.begin(), run.output.end());
      parts.delta.insert(parts.delta.end(), run.delta.begin(), run.delta.end());
      parts.loss += run.loss;
    }
    EXPECT_TRUE(test::same_bits(whole.output, parts.output)) << variant.section;
    EXPECT_TRUE(test::same_bits(whole.delta, parts.delta)) << variant.section;
    EXPECT_EQ(whole.loss, parts.loss) << variant.section;
  }
}

TEST(CostKernel, WithoutLabelsThereIsNoLossAndNoGradient) {
  for (const Variant& variant : variants()) {
    KernelInput in = random_input(25, 4, 5, 2);
    const Outcome labelled = run_kernel(variant.section, variant.options, in);
    in.labelled = false;
    const Outcome run = run_kernel(variant.section, variant.options, in);
    EXPECT_EQ(run.loss, 0);
    EXPECT_TRUE(test::same_bits(run.delta, std::vector<float>(20, 0.0f))) << variant.section;
    EXPECT_TRUE(test::same_bits(run.output, labelled.output)) << variant.section;
    EXPECT_GT(labelled.loss, -10);
    EXPECT_NE(labelled.loss, 0);
  }
}

TEST(CostKernel, PaddingOfABatchCountsForNothing) {
  for (const Variant& variant : variants()) {
    KernelInput in = random_input(26, 4, 5, 2);
    const Outcome whole = run_kernel(variant.section, variant.options, in);
    in.count = 3;
    // Labels of the padding are never looked at.
    in.labels[3] = -1;
    const Outcome run = run_kernel(variant.section, variant.options, in);
    for (size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(run.output[i], whole.output[i]);
      EXPECT_EQ(run.delta[i], i < 15 ? whole.delta[i] : 0.0f) << variant.section;
    }
    EXPECT_NE(run.loss, whole.loss);
  }
}

TEST(CostKernel, EvaluationLeavesDeltaAlone) {
  KernelInput in = random_input(27, 4, 5, 2);
  in.training = false;
  const Outcome run = run_kernel("tsd", "eta=0.5", in);
  EXPECT_TRUE(test::same_bits(run.delta, std::vector<float>(20, -7.0f)));
  EXPECT_NE(run.loss, 0);
}

TEST(CostKernel, EpochReachesTheRamp) {
  KernelInput in = random_input(28, 4, 5, 2);
  in.epoch = 2;
  const Outcome half = run_kernel("tsd", "eta=0.5 warmup_epochs=4", in);
  EXPECT_TRUE(test::same_bits(half.delta, run_kernel("tsd", "eta=0.75", in).delta));
}

TEST(CostKernel, BackwardAddsToTheDeltaOfTheLayerBefore) {
  const graph::NetworkConfig config = cost_config("softmax", "", 3, 2);
  std::vector<float> output(6), delta = {1, 2, 3, 4, 5, 6}, before = {10, 20, 30, 40, 50, 60};
  cpu::Node source, node;
  source.delta = before.data();
  node.config = &config.cost();
  node.batch = 2;
  node.output = output.data();
  node.delta = delta.data();
  node.sources.emplace_back();
  node.sources[0].node = &source;
  node.sources[0].gradient = graph::Gradient::kAdd;
  const std::unique_ptr<cpu::Kernel> kernel = cpu::make_kernel(config.cost());
  graph::Pass pass;
  kernel->backward(node, pass);
  EXPECT_EQ(before, (std::vector<float>{11, 22, 33, 44, 55, 66}));
}

// ---- a whole network ----

struct NetworkRun {
  std::vector<float> output;
  std::vector<uint32_t> bits;
  double loss = 0;
};

NetworkRun run_network(const std::string& cost) {
  const data::Geometry shape = {2, 4, 4};
  network::Network network(config_of(net_text(4, shape) +
                                     "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=relu\n"
                                     "[connected]\noutput=6\nactivation=linear\n" +
                                     cost));
  network.initialize(5);
  const KernelInput in = random_input(29, 4, 6, 1);
  std::vector<float> images(4 * shape.size());
  CounterRandom random(29, Stream::kTest, 1, 1);
  for (float& pixel : images) pixel = static_cast<float>(random.uniform());
  graph::Pass pass;
  pass.training = true;
  pass.input = images.data();
  pass.labels = in.labels.data();
  pass.teacher = in.teacher.data();
  pass.count = 4;
  network.forward(&pass);
  network.backward(&pass);
  return {{network.probabilities(), network.probabilities() + 24}, test::bits_of(network), pass.loss};
}

TEST(Costs, NetworksEqualSoftmaxBitForBitWhereTheNewTermHasNoWeight) {
  const NetworkRun plain = run_network("[softmax]\n");
  EXPECT_GT(plain.loss, 0);
  for (const char* cost : {"[tsd]\neta=1\n", "[tsd]\nconfidence=1\n", "[distill]\nlambda=0\n",
                           "[label_smoothing]\nepsilon=0\n", "[confidence_penalty]\nbeta=0\n"}) {
    const NetworkRun run = run_network(cost);
    EXPECT_TRUE(test::same_bits(run.output, plain.output)) << cost;
    EXPECT_EQ(run.bits, plain.bits) << cost;
    EXPECT_EQ(run.loss, plain.loss) << cost;
  }
  const NetworkRun other = run_network("[tsd]\neta=0.5\n");
  EXPECT_TRUE(test::same_bits(other.output, plain.output));
  EXPECT_NE(other.bits, plain.bits);
}

}  // namespace
}  // namespace dng
