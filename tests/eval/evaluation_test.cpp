// Accuracy, ensembles and inspection against the same figures worked out one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "eval/accuracy.h"
#include "eval/ensemble.h"
#include "eval/inspect.h"
#include "network/weights.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::config_of;
using test::MemorySet;
using test::net_text;
using test::TemporaryFolder;

using Rows = std::vector<std::vector<double>>;

constexpr int kClasses = 6;
const data::Geometry kInput = {1, 2, 3};

// Six pixels, six classes: logit j is `slope` times pixel j, so a test chooses the outputs.
std::string direct_cfg(int batch) {
  return net_text(batch, kInput) +
         "[convolutional]\nfilters=1\nsize=3\npad=1\nactivation=linear\n"
         "[connected]\noutput=6\nactivation=linear\n[softmax]\n";
}

void make_direct(network::Network* network, float slope) {
  for (const auto& layer : network->blocks()) {
    for (const host::Block& block : layer) std::fill(block.value, block.value + block.count, 0.0f);
  }
  for (const graph::Parameter& parameter : network->parameters()) {
    if (parameter.name != std::string("weights")) continue;
    if (parameter.layer == 0) parameter.value[4] = 1;
    if (parameter.layer == 1) {
      for (int j = 0; j < kClasses; ++j) parameter.value[kClasses * j + j] = slope;
    }
  }
}

MemorySet set_of(const std::vector<std::vector<int>>& pixels, const std::vector<int>& labels) {
  MemorySet set(kInput, labels, 1);
  for (size_t i = 0; i < pixels.size(); ++i) set.images[i].planes.assign(pixels[i].begin(), pixels[i].end());
  return set;
}

// What the network must say, in double precision.
Rows outputs_of(const MemorySet& set, double slope) {
  Rows rows;
  for (const data::Image& image : set.images) {
    std::vector<double> f;
    double sum = 0;
    for (const uint8_t byte : image.planes) f.push_back(std::exp(slope * byte / 255.0));
    for (const double value : f) sum += value;
    for (double& value : f) value /= sum;
    rows.push_back(f);
  }
  return rows;
}

// Classes from the largest score to the smallest; of equal ones the lower comes first.
std::vector<int> order_of(const std::vector<double>& scores) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)]; });
  return order;
}

eval::Accuracy accuracy_of(const Rows& rows, const MemorySet& set, int k) {
  eval::Accuracy accuracy;
  accuracy.k = k;
  accuracy.images = set.size();
  for (size_t i = 0; i < rows.size(); ++i) {
    const int label = set.label(static_cast<int64_t>(i));
    const std::vector<int> order = order_of(rows[i]);
    const auto rank = std::find(order.begin(), order.end(), label) - order.begin();
    accuracy.top1_count += rank == 0 ? 1 : 0;
    accuracy.topk_count += rank < k ? 1 : 0;
    accuracy.loss -= std::log(rows[i][static_cast<size_t>(label)]) / static_cast<double>(rows.size());
  }
  return accuracy;
}

void expect_equal(const eval::Accuracy& found, const eval::Accuracy& wanted) {
  EXPECT_EQ(found.images, wanted.images);
  EXPECT_EQ(found.k, wanted.k);
  EXPECT_EQ(found.top1_count, wanted.top1_count);
  EXPECT_EQ(found.topk_count, wanted.topk_count);
  EXPECT_NEAR(found.loss, wanted.loss, 1e-5);
}

// Ten images, two of them with equal pixels, so that ties matter.
MemorySet crafted() {
  return set_of({{255, 0, 0, 0, 0, 0},
                 {10, 200, 100, 50, 0, 0},
                 {10, 200, 100, 50, 0, 0},
                 {90, 90, 90, 90, 90, 90},
                 {90, 90, 90, 90, 90, 90},
                 {0, 0, 30, 255, 255, 60},
                 {0, 0, 30, 255, 255, 60},
                 {1, 2, 3, 4, 5, 6},
                 {255, 254, 253, 0, 1, 2},
                 {0, 20, 40, 60, 80, 100}},
                {0, 1, 3, 0, 1, 4, 3, 0, 2, 5});
}

// ---- accuracy ----

TEST(Accuracy, RanksGiveTiesToTheLowerIndex) {
  const std::vector<float> scores = {0.1f, 0.4f, 0.1f, 0.4f, 0.0f};
  const std::vector<int> wanted = {2, 0, 3, 1, 4};
  for (int label = 0; label < 5; ++label) {
    EXPECT_EQ(eval::rank_of(scores.data(), 5, label), wanted[static_cast<size_t>(label)]) << label;
  }
  const std::vector<double> equal(7, 0.25);
  for (int label = 0; label < 7; ++label) EXPECT_EQ(eval::rank_of(equal.data(), 7, label), label);
}

TEST(Accuracy, CountsACraftedSetForAnyBatch) {
  const MemorySet set = crafted();
  for (const int batch : {1, 3, 4, 10, 16}) {
    network::Network network(config_of(direct_cfg(batch)));
    make_direct(&network, 8);
    for (const int k : {1, 2, 5}) {
      const eval::Accuracy found = eval::evaluate(&network, set, k, 1, "test");
      expect_equal(found, accuracy_of(outputs_of(set, 8), set, k));
      EXPECT_EQ(found.images, 10);
      // By hand: right are images 0, 1, 3 (a tie), 6 (a tie) and 9.
      EXPECT_EQ(found.top1_count, 5);
    }
  }
}

TEST(Accuracy, SinkSeesEveryImageOnceInOrder) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(4)));
  make_direct(&network, 8);
  const Rows wanted = outputs_of(set, 8);
  int64_t next = 0;
  eval::evaluate(&network, set, 5, 2, "test", [&](const data::Batch& batch, const graph::Pass&) {
    const float* probabilities = network.probabilities();
    for (int b = 0; b < batch.count; ++b, ++next) {
      EXPECT_EQ(batch.samples[static_cast<size_t>(b)], next);
      for (int j = 0; j < kClasses; ++j) {
        EXPECT_NEAR(probabilities[b * kClasses + j], wanted[static_cast<size_t>(next)][static_cast<size_t>(j)], 1e-6);
      }
    }
  });
  EXPECT_EQ(next, 10);
}

TEST(Accuracy, LogitsAreDividedByTheTemperatureOfSoftmax) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(4) + "temperature=2\n")), half(config_of(direct_cfg(4)));
  make_direct(&network, 8);
  make_direct(&half, 4);
  expect_equal(eval::evaluate(&network, set, 5, 1, "test"), accuracy_of(outputs_of(set, 4), set, 5));
  eval::InspectSettings settings;
  settings.teacher = &half;
  EXPECT_NEAR(eval::inspect(&network, set, settings).teacher_kl, 0, 1e-12);
  make_direct(&half, 8);
  EXPECT_GT(eval::inspect(&network, set, settings).teacher_kl, 1e-3);
}

TEST(Accuracy, LossIsTheCrossEntropyWhateverTheCost) {
  const MemorySet set = crafted();
  network::Network plain(config_of(direct_cfg(4)));
  make_direct(&plain, 8);
  const double wanted = eval::evaluate(&plain, set, 5, 1, "test").loss;
  for (const char* cost : {"[tsd]\neta=0.1\n", "[distill]\n", "[confidence_penalty]\nbeta=5\n"}) {
    std::string cfg = direct_cfg(4);
    cfg.replace(cfg.find("[softmax]\n"), std::string::npos, cost);
    network::Network network(config_of(cfg));
    make_direct(&network, 8);
    EXPECT_EQ(eval::evaluate(&network, set, 5, 1, "test").loss, wanted) << cost;
  }
}

// float32 probabilities of 0 must not make the loss infinite.
TEST(Accuracy, LossIsFiniteForCertainMistakes) {
  const MemorySet set = set_of({{255, 0, 0, 0, 0, 0}}, {3});
  network::Network network(config_of(direct_cfg(1)));
  make_direct(&network, 1000);
  EXPECT_NEAR(eval::evaluate(&network, set, 5, 1, "test").loss, 1000, 1e-3);
}

TEST(Accuracy, LineAndJsonGiveTheSameFigures) {
  eval::Accuracy accuracy;
  accuracy.images = 8;
  accuracy.k = 3;
  accuracy.classes = 10;
  accuracy.top1_count = 3;
  accuracy.topk_count = 6;
  accuracy.loss = 1.25;
  EXPECT_EQ(accuracy.line(), "top1 0.3750 top3 0.7500 loss 1.2500 images 8");
  accuracy.classes = 3;
  EXPECT_EQ(accuracy.line(), "top1 0.3750 loss 1.2500 images 8") << "of three classes, all are among the first three";
  EXPECT_EQ(eval::accuracy_json(accuracy).dump(),
            "{\n  \"top1\": 0.375,\n  \"topk\": 0.75,\n  \"top3\": 0.75,\n  \"k\": 3,\n  \"loss\": 1.25,\n  "
            "\"images\": 8,\n  \"top1_count\": 3,\n  \"topk_count\": 6\n}");
  EXPECT_EQ(eval::Accuracy().top1(), 0);
}

// ---- ensemble ----

class Ensemble : public testing::Test {
 protected:
  Ensemble() : set_(crafted()), network_(config_of(direct_cfg(4))) {
    for (const float slope : {8.0f, 1.0f, -3.0f}) {
      make_direct(&network_, slope);
      paths_.push_back(folder_.file("m" + std::to_string(paths_.size()) + ".weights"));
      network::save_weights(paths_.back(), network_, 0);
    }
  }
  TemporaryFolder folder_;
  MemorySet set_;
  network::Network network_;
  std::vector<std::string> paths_;
};

TEST_F(Ensemble, OfTheSameWeightsEqualsTheMember) {
  const eval::EnsembleResult result = eval::evaluate_ensemble(&network_, {paths_[1], paths_[1], paths_[1]}, set_, 3, 2);
  ASSERT_EQ(result.members.size(), 3U);
  for (const eval::Accuracy& member : result.members) {
    expect_equal(member, accuracy_of(outputs_of(set_, 1), set_, 3));
    expect_equal(result.ensemble, member);
  }
}

TEST_F(Ensemble, IsTheMeanOfTheProbabilities) {
  const eval::EnsembleResult result = eval::evaluate_ensemble(&network_, paths_, set_, 2, 1);
  Rows mean = outputs_of(set_, 8);
  const Rows second = outputs_of(set_, 1), third = outputs_of(set_, -3);
  for (size_t i = 0; i < mean.size(); ++i) {
    for (size_t j = 0; j < kClasses; ++j) mean[i][j] = (mean[i][j] + second[i][j] + third[i][j]) / 3;
  }
  expect_equal(result.ensemble, accuracy_of(mean, set_, 2));
  EXPECT_EQ(result.weights, paths_);
  expect_equal(result.members[0], accuracy_of(outputs_of(set_, 8), set_, 2));
  expect_equal(result.members[2], accuracy_of(outputs_of(set_, -3), set_, 2));
  // The control: the mean differs from every member.
  for (const eval::Accuracy& member : result.members) EXPECT_GT(std::fabs(member.loss - result.ensemble.loss), 1e-2);
}

TEST_F(Ensemble, RefusesWeightsOfAnotherNetwork) {
  const std::string bad = folder_.write("bad.weights", std::string(40, '\0'));
  test::expect_error([&] { eval::evaluate_ensemble(&network_, {paths_[0], bad}, set_, 2, 1); }, {"bad.weights"});
}

// ---- inspect ----

struct Direct {
  double primary = 0, truth = 0, rank_2_k = 0, entropy = 0, inside = 0, between = 0, within = 0, all = 0,
         calibration = 0;
  std::vector<double> by_rank;
};

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(sum);
}

Direct inspect_directly(const Rows& rows, const MemorySet& set, const std::vector<int>& superclass_of, size_t k) {
  Direct d;
  const auto images = static_cast<double>(rows.size());
  d.by_rank.assign(k, 0);
  Rows mu(kClasses, std::vector<double>(kClasses, 0));
  std::vector<double> count(kClasses, 0);
  double inside = 0, outside = 0;
  // Fifteen bins, each (low, high] as in the paper; no confidence of these tests lies on a bound.
  std::vector<double> bin_count(15, 0), bin_confidence(15, 0), bin_right(15, 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<double>& f = rows[i];
    const std::vector<int> order = order_of(f);
    const auto label = static_cast<size_t>(set.label(static_cast<int64_t>(i)));
    for (size_t r = 0; r < k; ++r) d.by_rank[r] += f[static_cast<size_t>(order[r])] / images;
    count[label] += 1;
    for (size_t j = 0; j < kClasses; ++j) {
      d.entropy -= f[j] * std::log(f[j]) / images;
      mu[label][j] += f[j];
      if (static_cast<int>(j) == order[0]) continue;
      outside += f[j];
      if (superclass_of[j] == superclass_of[label]) inside += f[j];
    }
    d.truth += f[label] / images;
    const double confidence = f[static_cast<size_t>(order[0])];
    const auto bin = static_cast<size_t>(confidence * 15);
    bin_count[bin] += 1;
    bin_confidence[bin] += confidence;
    bin_right[bin] += static_cast<size_t>(order[0]) == label ? 1 : 0;
  }
  d.primary = d.by_rank[0];
  for (size_t r = 1; r < k; ++r) d.rank_2_k += d.by_rank[r] / static_cast<double>(k - 1);
  d.inside = inside / outside;
  for (size_t b = 0; b < 15; ++b) {
    if (bin_count[b] > 0) d.calibration += std::fabs(bin_confidence[b] - bin_right[b]) / images;
  }
  double pairs = 0, between = 0, within = 0;
  for (size_t a = 0; a < kClasses; ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (count[a] == 0 || count[b] == 0) continue;
      std::vector<double> mean_a = mu[a], mean_b = mu[b];
      for (double& value : mean_a) value /= count[a];
      for (double& value : mean_b) value /= count[b];
      const double far = distance(mean_a, mean_b);
      d.all += far;
      pairs += 1;
      (superclass_of[a] == superclass_of[b] ? d.within : d.between) += far;
      (superclass_of[a] == superclass_of[b] ? within : between) += 1;
    }
  }
  d.all /= pairs;
  d.between /= between;
  d.within /= within;
  return d;
}

TEST(Inspect, EqualsADirectComputation) {
  const MemorySet set = crafted();
  const std::vector<int> superclass_of = {0, 0, 0, 1, 1, 1};
  for (const float slope : {8.0f, 1.0f, 20.0f}) {
    network::Network network(config_of(direct_cfg(4)));
    make_direct(&network, slope);
    const eval::Inspection found = eval::inspect(&network, set, {superclass_of, 5, 1});
    const Direct wanted = inspect_directly(outputs_of(set, slope), set, superclass_of, 5);
    expect_equal(found.accuracy, accuracy_of(outputs_of(set, slope), set, 5));
    EXPECT_NEAR(found.mean_primary, wanted.primary, 1e-6);
    EXPECT_NEAR(found.mean_rank_2_k, wanted.rank_2_k, 1e-6);
    EXPECT_NEAR(found.mean_true, wanted.truth, 1e-6);
    EXPECT_GT(std::fabs(found.mean_true - found.mean_primary), 1e-2);
    ASSERT_EQ(found.mean_by_rank.size(), 5U);
    for (size_t r = 0; r < 5; ++r) EXPECT_NEAR(found.mean_by_rank[r], wanted.by_rank[r], 1e-6);
    EXPECT_NEAR(found.entropy, wanted.entropy, 1e-5);
    EXPECT_NEAR(found.inside_superclass, wanted.inside, 1e-5);
    EXPECT_NEAR(found.dist_all, wanted.all, 1e-6);
    EXPECT_NEAR(found.dist_between, wanted.between, 1e-6);
    EXPECT_NEAR(found.dist_within, wanted.within, 1e-6);
    EXPECT_NEAR(found.calibration_error, wanted.calibration, 1e-6);
    EXPECT_GT(found.dist_between, 1e-3);
    EXPECT_NE(found.dist_between, found.dist_within);
    int64_t images = 0;
    ASSERT_EQ(found.bins.size(), 15U);
    for (const eval::Inspection::Bin& bin : found.bins) images += bin.images;
    EXPECT_EQ(images, 10);
  }
}

TEST(Inspect, CertainAndRightIsPerfectlyCalibrated) {
  const MemorySet set = set_of({{255, 0, 0, 0, 0, 0}, {0, 255, 0, 0, 0, 0}}, {0, 1});
  network::Network network(config_of(direct_cfg(2)));
  make_direct(&network, 500);
  const eval::Inspection found = eval::inspect(&network, set, {{0, 1, 2, 3, 4, 5}, 5, 1});
  EXPECT_EQ(found.mean_primary, 1);
  EXPECT_EQ(found.mean_rank_2_k, 0);
  EXPECT_EQ(found.entropy, 0);
  EXPECT_EQ(found.calibration_error, 0);
  EXPECT_EQ(found.bins[14].images, 2);
  EXPECT_EQ(found.bins[14].accuracy, 1);
  EXPECT_NEAR(found.dist_between, std::sqrt(2.0), 1e-12);
  // No two classes with images share a superclass.
  EXPECT_TRUE(std::isnan(found.dist_within));
}

TEST(Inspect, WithoutSuperclassesTheirMeasuresAreUnknown) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(4)));
  make_direct(&network, 8);
  const eval::Inspection found = eval::inspect(&network, set, {{}, 5, 1});
  EXPECT_TRUE(std::isnan(found.dist_between));
  EXPECT_TRUE(std::isnan(found.dist_within));
  EXPECT_TRUE(std::isnan(found.inside_superclass));
  EXPECT_GT(found.dist_all, 0);
}

TEST(Inspect, RanksAreAsManyAsThereAreClasses) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(4)));
  make_direct(&network, 8);
  const eval::Inspection all = eval::inspect(&network, set, {{}, 50, 1});
  ASSERT_EQ(all.mean_by_rank.size(), 6U);
  EXPECT_NEAR(std::accumulate(all.mean_by_rank.begin(), all.mean_by_rank.end(), 0.0), 1, 1e-6);
  EXPECT_EQ(eval::inspect(&network, set, {{}, 1, 1}).mean_by_rank.size(), 2U);
}

// The share of equal top classes and the mean of sum t (log t - log f), from the outputs in double precision.
std::pair<double, double> agreement_of(const Rows& student, const Rows& teacher) {
  double agreed = 0, divergence = 0;
  for (size_t i = 0; i < student.size(); ++i) {
    agreed += order_of(student[i])[0] == order_of(teacher[i])[0] ? 1 : 0;
    for (size_t j = 0; j < kClasses; ++j) {
      divergence += teacher[i][j] * (std::log(teacher[i][j]) - std::log(student[i][j]));
    }
  }
  const auto images = static_cast<double>(student.size());
  return {agreed / images, divergence / images};
}

TEST(Inspect, ComparesWithATeacher) {
  const MemorySet set = crafted();
  // 10 images in batches of 4: the last is not whole.
  network::Network network(config_of(direct_cfg(4))), teacher(config_of(direct_cfg(4)));
  for (const auto& [slope, its_slope] : {std::pair(8.0f, 1.0f), std::pair(1.0f, 8.0f), std::pair(8.0f, -3.0f)}) {
    make_direct(&network, slope);
    make_direct(&teacher, its_slope);
    const eval::Inspection found = eval::inspect(&network, set, {{}, 5, 1, &teacher});
    const auto [agreed, divergence] = agreement_of(outputs_of(set, slope), outputs_of(set, its_slope));
    EXPECT_NEAR(found.teacher_agreement, agreed, 1e-12);
    EXPECT_NEAR(found.teacher_kl, divergence, 1e-5 * divergence);
    EXPECT_GT(divergence, 0.1);
    // With opposite slopes the two agree where all pixels are equal, and nowhere else.
    EXPECT_EQ(found.teacher_agreement, its_slope < 0 ? 0.2 : 1.0);
    // The other figures are the network's own.
    EXPECT_EQ(found.accuracy.loss, eval::inspect(&network, set, {{}, 5, 1}).accuracy.loss);
  }
}

TEST(Inspect, ATeacherWithTheSameWeightsAgreesInAll) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(3))), teacher(config_of(direct_cfg(3)));
  make_direct(&network, 8);
  make_direct(&teacher, 8);
  const eval::Inspection found = eval::inspect(&network, set, {{}, 5, 1, &teacher});
  EXPECT_EQ(found.teacher_agreement, 1);
  EXPECT_EQ(found.teacher_kl, 0);
}

TEST(Inspect, WithoutATeacherNothingIsSaidAboutOne) {
  const MemorySet set = crafted();
  network::Network network(config_of(direct_cfg(4)));
  make_direct(&network, 8);
  const eval::Inspection found = eval::inspect(&network, set, {{}, 5, 1});
  EXPECT_TRUE(std::isnan(found.teacher_agreement));
  EXPECT_TRUE(std::isnan(found.teacher_kl));
}

// float32 probabilities of 0 must not make the divergence infinite.
TEST(Inspect, DivergenceIsFiniteForCertainNetworks) {
  const MemorySet set = set_of({{255, 0, 0, 0, 0, 0}}, {0});
  network::Network network(config_of(direct_cfg(1))), teacher(config_of(direct_cfg(1)));
  make_direct(&network, 1000);
  make_direct(&teacher, -1000);
  EXPECT_NEAR(eval::inspect(&network, set, {{}, 5, 1, &teacher}).teacher_kl, 1000 - std::log(5.0), 1e-2);
}

// ---- the first classes ----

TEST(TopClasses, FollowTheRanks) {
  const std::vector<float> scores = {0.1f, 0.4f, 0.1f, 0.4f, 0.0f};
  for (int k = 0; k <= 7; ++k) {
    const std::vector<int> top = eval::top_classes(scores.data(), 5, k);
    ASSERT_EQ(top.size(), static_cast<size_t>(std::min(k, 5)));
    for (size_t r = 0; r < top.size(); ++r) EXPECT_EQ(eval::rank_of(scores.data(), 5, top[r]), static_cast<int>(r));
  }
}

// ---- JSON ----

TEST(Json, EscapesWhatTextMayNotHold) {
  EXPECT_EQ(Json::string("plain").dump(), "\"plain\"");
  EXPECT_EQ(Json::string("a\"b\\c").dump(), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Json::string("tab\tline\nreturn\rbell\a").dump(), "\"tab\\u0009line\\u000areturn\\u000dbell\\u0007\"");
  EXPECT_EQ(Json::string(std::string("zero\0end", 8)).dump(), "\"zero\\u0000end\"");
  EXPECT_EQ(Json::string("K\xc3\xa4se/").dump(), "\"K\xc3\xa4se/\"");
  EXPECT_EQ(Json::object().set("a\"b", Json::null()).dump(), "{\n  \"a\\\"b\": null\n}");
}

TEST(Json, NumbersThatAreNoneBecomeNull) {
  EXPECT_EQ(Json::number(std::nan("")).dump(), "null");
  EXPECT_EQ(Json::number(std::numeric_limits<double>::infinity()).dump(), "null");
  EXPECT_EQ(Json::number(-0.5).dump(), "-0.5");
  EXPECT_EQ(Json::number(1.0 / 3).dump(), "0.333333333");
  EXPECT_EQ(Json::number(1e-20).dump(), "1e-20");
  EXPECT_EQ(Json::integer(-9007199254740993).dump(), "-9007199254740993");
}

TEST(Json, NestsInTheOrderOfTheCalls) {
  const Json json =
      Json::object().set("z", Json::array().add(Json::integer(1)).add(Json::object())).set("a", Json::array());
  EXPECT_EQ(json.dump(), "{\n  \"z\": [\n    1,\n    {}\n  ],\n  \"a\": []\n}");
}

}  // namespace
}  // namespace dng
