#include "train/sgd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::config_of;
using test::net_text;
using test::scramble;

// One array of weights, and the textbook's SGD on it in double precision.
struct Textbook {
  double momentum, decay;
  bool nesterov;
  std::vector<double> w, velocity;

  // g is the gradient of the mean loss; velocity <- momentum velocity + g, as in PyTorch.
  void step(const std::vector<double>& g, double rate, bool decays) {
    for (size_t i = 0; i < w.size(); ++i) {
      const double gradient = g[i] + (decays ? decay * w[i] : 0);
      velocity[i] = momentum * velocity[i] + gradient;
      w[i] -= rate * (nesterov ? gradient + momentum * velocity[i] : velocity[i]);
    }
  }
};

struct Case {
  double momentum, decay;
  bool nesterov, decays;
};

TEST(Sgd, FollowsTheTextbookOverManySteps) {
  constexpr int kBatch = 8, kSteps = 30;
  for (const Case& c : {Case{0.9, 1e-2, false, true}, Case{0.9, 1e-2, true, true}, Case{0.9, 1e-2, false, false},
                        Case{0, 0, false, true}, Case{0.5, 0, true, false}}) {
    CounterRandom random(3, Stream::kTest, 0, 0);
    std::vector<float> w(20), v(20, 0.0f);
    Textbook textbook{c.momentum, c.decay, c.nesterov, {}, std::vector<double>(20, 0)};
    for (float& value : w) value = static_cast<float>(random.normal());
    textbook.w.assign(w.begin(), w.end());
    const std::vector<double> start = textbook.w;
    graph::Parameter parameter;
    parameter.value = w.data();
    parameter.update = v.data();
    parameter.count = 20;
    parameter.decays = c.decays;
    std::vector<graph::Parameter> parameters = {parameter};
    for (int step = 0; step < kSteps; ++step) {
      // A new one every time, as the trainer makes it: what it must remember lies in the updates.
      train::Sgd sgd(&parameters, {c.momentum, c.decay, c.nesterov});
      sgd.begin();
      std::vector<double> g(20);
      for (size_t i = 0; i < 20; ++i) {
        // Darknet's updates hold the negative gradient, summed over the batch.
        const auto summed = static_cast<float>(random.normal());
        v[i] -= summed;
        g[i] = static_cast<double>(summed) / kBatch;
      }
      const double rate = step < 10 ? 0.1 : 0.02;
      sgd.step(rate, kBatch);
      textbook.step(g, rate, c.decays);
    }
    double moved = 0;
    for (size_t i = 0; i < 20; ++i) {
      EXPECT_NEAR(w[i], textbook.w[i], 2e-6) << "momentum " << c.momentum << " nesterov " << c.nesterov;
      EXPECT_NEAR(v[i], -c.momentum * textbook.velocity[i] * kBatch, 2e-5);
      moved = std::max(moved, std::fabs(textbook.w[i] - start[i]));
    }
    EXPECT_GT(moved, 0.1);
  }
}

TEST(Sgd, NesterovDiffersFromPlainMomentum) {
  const auto run = [](bool nesterov) {
    float w = 1, v = 0;
    graph::Parameter parameter;
    parameter.value = &w;
    parameter.update = &v;
    parameter.count = 1;
    std::vector<graph::Parameter> parameters = {parameter};
    train::Sgd sgd(&parameters, {0.9, 0, nesterov});
    sgd.begin();
    v -= 1;
    sgd.step(0.1, 1);
    return w;
  };
  EXPECT_FLOAT_EQ(run(false), 0.9f);
  EXPECT_FLOAT_EQ(run(true), 0.81f);
}

TEST(Sgd, RateFactorsScaleAndFrozenParametersStay) {
  std::vector<float> w = {1, 1, 1}, v = {-1, -1, -1};
  std::vector<graph::Parameter> parameters(3);
  for (size_t i = 0; i < 3; ++i) {
    parameters[i].value = &w[i];
    parameters[i].update = &v[i];
    parameters[i].count = 1;
    parameters[i].decays = true;
  }
  parameters[1].rate_factor = 0.5f;
  parameters[2].frozen = true;
  train::Sgd sgd(&parameters, {0.9, 0.1, false});
  sgd.begin();
  sgd.step(0.2, 4);
  // v = -1 - 0.1 * 4 * 1 = -1.4; w = 1 + 0.2 / 4 * v
  EXPECT_FLOAT_EQ(w[0], 1 - 0.07f);
  EXPECT_FLOAT_EQ(w[1], 1 - 0.035f);
  EXPECT_EQ(w[2], 1);
  EXPECT_FLOAT_EQ(v[0], -1.26f);
  EXPECT_FLOAT_EQ(v[1], -1.26f);
  EXPECT_EQ(v[2], -1);
}

// The host's own update is the oracle, save for a standalone [batchnorm], which the packaged host never updates.
TEST(Sgd, EqualsTheHostsOwnUpdate) {
  const std::string cfg = net_text(4, {2, 6, 6}) +
                          "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\npad=1\nactivation=relu\n"
                          "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
                          "[connected]\noutput=6\nbatch_normalize=1\nactivation=linear\n"
                          "[connected]\noutput=6\nactivation=linear\n[softmax]\n";
  network::Network plugin(config_of(cfg)), hosts(config_of(cfg));
  scramble(&plugin, 1);
  scramble(&hosts, 1);
  for (int step = 0; step < 3; ++step) {
    train::Sgd sgd(&plugin.parameters(), {0.9, 0.05, false});
    sgd.begin();
    sgd.step(0.1, 4);
    for (int i = 0; i < hosts.size(); ++i) hosts.host()->update(i, 4, 0.1f, 0.9f, 0.05f);
  }
  network::Network start(config_of(cfg));
  scramble(&start, 1);
  ASSERT_EQ(plugin.parameters().size(), 10U);
  for (size_t k = 0; k < plugin.parameters().size(); ++k) {
    const graph::Parameter &a = plugin.parameters()[k], &b = hosts.parameters()[k], &before = start.parameters()[k];
    for (int64_t i = 0; i < a.count; ++i) {
      ASSERT_NEAR(a.value[i], b.value[i], 1e-6) << "layer " << a.layer << " " << a.name;
      ASSERT_NEAR(a.update[i], b.update[i], 1e-6) << "layer " << a.layer << " " << a.name;
    }
    EXPECT_GT(std::fabs(a.value[0] - before.value[0]), 1e-5) << "layer " << a.layer << " " << a.name;
  }
}

TEST(Sgd, NetworksSayWhatDecaysWhatIsFrozenAndHowFastItLearns) {
  network::Network network(config_of(net_text(4, {2, 6, 6}) +
                                     "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\npad=1\nactivation=relu\n"
                                     "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=relu\nstopbackward=1\n"
                                     "[batchnorm]\nlearning_rate=.5\n"
                                     "[connected]\noutput=6\nactivation=linear\nlearning_rate=0\n[softmax]\n"));
  std::string found;
  for (const graph::Parameter& p : network.parameters()) {
    found += std::to_string(p.layer) + " " + p.name + (p.decays ? " decays" : "") + (p.frozen ? " frozen" : "") +
             (p.rate_factor != 1 ? " x" + std::to_string(p.rate_factor).substr(0, 3) : "") + "\n";
  }
  EXPECT_EQ(found,
            "0 biases frozen\n0 scales frozen\n0 weights decays frozen\n"
            "1 biases frozen\n1 weights decays frozen\n"
            "2 biases x0.5\n2 scales x0.5\n"
            "3 biases x0.0\n3 weights decays x0.0\n");
}

}  // namespace
}  // namespace dng
