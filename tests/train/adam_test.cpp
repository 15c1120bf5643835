#include "train/adam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "host/host.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"
#include "train/state.h"

namespace dng {
namespace {

using test::config_of;
using test::net_text;

constexpr int kBatch = 8;

const std::string kLayers =
    "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\npad=1\nactivation=relu\n"
    "[connected]\noutput=4\nactivation=linear\n[softmax]\n";

// Random negative gradients, summed over a batch.
std::vector<float> gradients(int64_t step, size_t count) {
  CounterRandom random(3, Stream::kTest, static_cast<uint64_t>(step), 0);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(5 * random.normal());
  return values;
}

// The header's formulas in double precision.
struct Reference {
  double b1, b2, eps, decay;
  std::vector<double> w, m, v;
  int t = 0;

  void step(const std::vector<float>& gradient, double rate) {
    ++t;
    for (size_t i = 0; i < w.size(); ++i) {
      const double d = gradient[i] - decay * kBatch * w[i];
      m[i] = b1 * m[i] + (1 - b1) * d;
      v[i] = b2 * v[i] + (1 - b2) * d * d;
      w[i] += rate * (m[i] / (1 - std::pow(b1, t))) / (std::sqrt(v[i] / (1 - std::pow(b2, t))) + eps);
    }
  }
};

TEST(Adam, FollowsTheFormulaOverManySteps) {
  constexpr size_t kCount = 20;
  for (const math::AdamSettings& settings :
       {math::AdamSettings{0.9, 0.999, 1e-7}, math::AdamSettings{0.5, 0.9, 1e-7}, math::AdamSettings{0.9, 0.999, 2}}) {
    for (const double decay : {0.0, 0.05}) {
      std::vector<float> w = gradients(-1, kCount), update(kCount), second(kCount);
      Reference reference{settings.mean_factor, settings.square_factor,      settings.epsilon,           decay,
                          {w.begin(), w.end()}, std::vector<double>(kCount), std::vector<double>(kCount)};
      const std::vector<float> start = w;
      graph::Parameter parameter;
      parameter.value = w.data();
      parameter.update = update.data();
      parameter.second = second.data();
      parameter.count = kCount;
      parameter.rate_factor = 0.5f;
      std::vector<graph::Parameter> parameters = {parameter};
      train::Adam adam(&parameters, settings, decay, 0);
      for (int64_t step = 0; step < 30; ++step) {
        const std::vector<float> g = gradients(step, kCount);
        const double rate = step < 10 ? 0.1 : 0.02;
        adam.begin();
        for (size_t i = 0; i < kCount; ++i) update[i] += g[i];
        adam.step(rate, kBatch);
        reference.step(g, rate / 2);
      }
      double moved = 0;
      for (size_t i = 0; i < kCount; ++i) {
        EXPECT_NEAR(w[i], reference.w[i], 2e-6 * (1 + std::fabs(reference.w[i])));
        EXPECT_NEAR(update[i], reference.m[i], 1e-5 * (1 + std::fabs(reference.m[i])));
        EXPECT_NEAR(second[i], reference.v[i], 1e-5 * (1 + std::fabs(reference.v[i])));
        moved = std::fmax(moved, std::fabs(w[i] - start[i]));
      }
      EXPECT_GT(moved, 0.1);
    }
  }
}

TEST(Adam, FrozenParametersStayAndNeedNoSecondMoment) {
  float w = 1, update = -1;
  graph::Parameter parameter;
  parameter.value = &w;
  parameter.update = &update;
  parameter.count = 1;
  parameter.frozen = true;
  std::vector<graph::Parameter> parameters = {parameter};
  train::Adam adam(&parameters, {}, 0.1, 0);
  adam.begin();
  adam.step(0.1, kBatch);
  EXPECT_EQ(w, 1);
  EXPECT_EQ(update, -1);
}

TEST(Adam, SettingsAreThoseOfTheCfgAndTheHost) {
  const auto settings = [](const std::string& lines) {
    return train::adam_settings(config_of(net_text(4, {3, 8, 8}, "adam=1\n" + lines) + kLayers).net);
  };
  EXPECT_EQ(settings("").mean_factor, 0.9);
  EXPECT_EQ(settings("").square_factor, 0.999);
  EXPECT_EQ(settings("").epsilon, std::string(host::traits().id) == "alexeyab" ? 1e-6 : 1e-7);
  const math::AdamSettings given = settings("B1=.5\nB2=.75\neps=.25\n");
  EXPECT_EQ(given.mean_factor, .5);
  EXPECT_EQ(given.square_factor, .75);
  EXPECT_EQ(given.epsilon, .25);
}

// Updates on a network: biases and scales too, and all of them decay.
class Training {
 public:
  explicit Training(const std::string& cfg, int64_t updates = 0)
      : network(config_of(cfg)), optimizer_(train::make_optimizer(&network, updates)) {
    test::scramble(&network, 1);
  }
  // Updates first to end - 1.
  void run(int64_t first, int64_t end) {
    for (int64_t update = first; update < end; ++update) {
      optimizer_->begin();
      int64_t number = 1000 * update;
      for (const graph::Parameter& p : network.parameters()) {
        const std::vector<float> g = gradients(number++, static_cast<size_t>(p.count));
        for (int64_t i = 0; i < p.count; ++i) p.update[i] += g[static_cast<size_t>(i)];
      }
      optimizer_->step(0.01, kBatch);
    }
  }
  network::Network network;

 private:
  std::unique_ptr<train::Optimizer> optimizer_;
};

TEST(Adam, MovesEveryParameterByTheRateAtFirst) {
  Training training(net_text(kBatch, {3, 8, 8}, "adam=1\ndecay=0\neps=0\n") + kLayers);
  for (const graph::Parameter& p : training.network.parameters()) std::fill_n(p.update, p.count, 0.0f);
  const std::vector<float> before = test::values_of(training.network);
  training.run(0, 1);
  const std::vector<float> after = test::values_of(training.network);
  size_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (after[i] == before[i]) continue;
    EXPECT_NEAR(std::fabs(after[i] - before[i]), 0.01, 1e-6);
    ++moved;
  }
  // All but the rolling statistics of three channels.
  EXPECT_EQ(moved, before.size() - 6);
}

TEST(Adam, StatesHoldBothMoments) {
  const std::string cfg = net_text(kBatch, {3, 8, 8}, "adam=1\n") + kLayers;
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.state");
  Training whole(cfg), cut(cfg), resumed(cfg, 5);
  whole.run(0, 9);
  cut.run(0, 5);
  train::TrainingState state;
  state.iteration = 105;
  state.started = 100;
  train::save_state(path, state, cut.network);
  train::TrainingState read;
  EXPECT_EQ(train::load_state(path, &read, &resumed.network), "");
  EXPECT_EQ(read.started, 100);
  resumed.run(5, 9);
  EXPECT_EQ(test::bits_of(resumed.network), test::bits_of(whole.network));
  // The negative control: what the corrections count matters.
  Training recounted(cfg, 0);
  train::load_state(path, &read, &recounted.network);
  recounted.run(5, 9);
  EXPECT_NE(test::bits_of(recounted.network), test::bits_of(whole.network));
}

TEST(Adam, AnEvaluationHasNoSecondMoments) {
  const std::string cfg = net_text(kBatch, {3, 8, 8}, "adam=1\n") + kLayers;
  network::Network trains(config_of(cfg)), evaluates(config_of(cfg), network::NetworkSettings::evaluation());
  EXPECT_NE(trains.parameters()[0].second, nullptr);
  EXPECT_EQ(evaluates.parameters()[0].second, nullptr);
}

}  // namespace
}  // namespace dng
