// [softmax] with a [cost] behind it, and label_smooth_eps: what a network trains with.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/gpu/emulated_gpu.h"
#include "tests/network/network_util.h"
#include "tests/network/twin_networks.h"
#include "train/sgd.h"

namespace dng::test {
namespace {

constexpr int kBatch = 4, kClasses = 5;

std::string cfg_text(const std::string& lines, const std::string& end) {
  return net_text(kBatch, {3, 8, 8}, lines) +
         "[convolutional]\nfilters=6\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"
         "[convolutional]\nfilters=5\nsize=1\nactivation=linear\n[avgpool]\n" +
         end;
}

struct Trained {
  std::vector<float> weights;
  double first_loss = 0;
};

// After so many updates on random images.
Trained train(const std::string& cfg, int updates) {
  network::Network network(config_of(cfg));
  network.initialize(3);
  const cfg::Options& net = network.config().net;
  train::Sgd sgd(&network.parameters(), {net.real("momentum"), net.real("decay"), false});
  Trained trained;
  for (int update = 0; update < updates; ++update) {
    CounterRandom random(5, Stream::kTest, static_cast<uint64_t>(update), 0);
    std::vector<float> images(kBatch * network.config().input.size());
    for (float& value : images) value = static_cast<float>(random.uniform());
    std::vector<int> labels(kBatch);
    for (int& label : labels) label = static_cast<int>(random.below(kClasses));
    graph::Pass pass;
    pass.training = true;
    pass.input = images.data();
    pass.labels = labels.data();
    pass.count = kBatch;
    pass.steps = update;
    sgd.begin();
    network.forward(&pass);
    network.backward(&pass);
    sgd.step(net.real("learning_rate"), kBatch);
    if (update == 0) trained.first_loss = pass.loss / kBatch;
  }
  trained.weights = values_of(network);
  return trained;
}

// Both Darknets train so: their weights are equal byte for byte, too.
TEST(SoftmaxAndCost, TrainAsTwiceTheRateAndHalfTheDecay) {
  const Trained both = train(cfg_text("learning_rate=0.1\ndecay=0.01\n", "[softmax]\n[cost]\ntype=sse\n"), 5);
  const Trained alone = train(cfg_text("learning_rate=0.2\ndecay=0.005\n", "[softmax]\n"), 5);
  EXPECT_EQ(both.weights, alone.weights);
  EXPECT_EQ(both.first_loss, alone.first_loss);
  const Trained once = train(cfg_text("learning_rate=0.1\ndecay=0.01\n", "[softmax]\n"), 5);
  EXPECT_NE(both.weights, once.weights);
  EXPECT_EQ(train(cfg_text("learning_rate=0.1\ndecay=0.01\n", "[softmax]\n[cost]\nscale=0\n"), 5).weights,
            once.weights);
  EXPECT_EQ(train(cfg_text("learning_rate=0.1\ndecay=0.01\n", "[softmax]\ngradient_scale=2\n"), 5).weights,
            both.weights);
}

TEST(SoftmaxAndCost, OtherCostsIgnoreTheCostBehindThem) {
  const std::string net = "learning_rate=0.1\n";
  EXPECT_EQ(train(cfg_text(net, "[tsd]\neta=.5\nk=2\n[cost]\n"), 3).weights,
            train(cfg_text(net, "[tsd]\neta=.5\nk=2\n"), 3).weights);
}

// AlexeyAB's labels are 1 - e and e / (C - 1), those of [label_smoothing] (1 - eps) y + eps / C.
TEST(LabelSmoothEps, IsLabelSmoothingWithAnotherEpsilon) {
  const double e = 0.1, epsilon = e * kClasses / (kClasses - 1);
  const Trained found = train(cfg_text("learning_rate=0.1\nlabel_smooth_eps=0.1\n", "[softmax]\n"), 5);
  const Trained expected =
      train(cfg_text("learning_rate=0.1\n", format("[label_smoothing]\nepsilon=%.17g\n", epsilon)), 5);
  const Trained plain = train(cfg_text("learning_rate=0.1\n", "[softmax]\n"), 5);
  EXPECT_NEAR(found.first_loss, expected.first_loss, 1e-12);
  double difference = 0, smoothed = 0;
  for (size_t i = 0; i < plain.weights.size(); ++i) {
    difference = std::fmax(difference, std::fabs(found.weights[i] - expected.weights[i]));
    smoothed = std::fmax(smoothed, std::fabs(found.weights[i] - plain.weights[i]));
  }
  EXPECT_LE(difference, 1e-6);
  EXPECT_GT(smoothed, 1e-3);
}

// The host's rule: probabilities of z / T, and as gradient f - y, T times the derivative. So a network whose last layer
// is T times as large has the same probabilities, and in its other layers T times the gradient.
TEST(SoftmaxTemperature, DividesTheLogitsInTrainingAndEvaluation) {
  const std::string text = cfg_text("", "[softmax]\ntemperature=3\n");
  network::Network warm(config_of(text)), plain(config_of(cfg_text("", "[softmax]\n")));
  const RandomBatch batch(warm.config(), 1);
  for (const bool training : {true, false}) {
    start_from(3, &warm);
    start_from(3, &plain);
    for (const graph::Parameter& p : plain.parameters()) {
      for (int64_t i = 0; i < p.count && p.layer == 1; ++i) p.value[i] /= 3;
    }
    graph::Pass one = batch.pass(training), other = one;
    warm.forward(&one);
    plain.forward(&other);
    EXPECT_NEAR(one.loss, other.loss, 1e-5 * other.loss);
    EXPECT_LE(difference_between(warm.probabilities(), plain.probabilities(), kBatch * kClasses), 1e-6);
    if (!training) continue;
    warm.backward(&one);
    plain.backward(&other);
    for (size_t k = 0; k < plain.parameters().size(); ++k) {
      const graph::Parameter &a = warm.parameters()[k], &b = plain.parameters()[k];
      std::vector<float> expected(b.update, b.update + b.count);
      for (float& value : expected) value *= b.layer == 0 ? 3.0f : 1.0f;
      EXPECT_LE(error_between(a.update, expected.data(), expected.size()), 1e-4) << a.layer << " " << a.name;
    }
  }
}

// The GPU's kernel of a cost has both from the cfg, too.
TEST(SoftmaxAndCost, AndLabelSmoothEpsOnAGpu) {
  network::NetworkSettings settings;
  settings.gpu = emulated_gpu();
  for (const char* end : {"[softmax]\n", "[softmax]\n[cost]\nscale=2\n", "[softmax]\ntemperature=3\n"}) {
    for (const char* lines : {"", "label_smooth_eps=0.3\n"}) {
      Twins twins(cfg_text(lines, end), settings);
      const RandomBatch batch(twins.fast.config(), 1);
      const double found = train_once(batch, 0, &twins.fast), expected = train_once(batch, 0, &twins.plain);
      EXPECT_NEAR(found, expected, kOutput * expected) << lines << end;
      EXPECT_LE(twins.gradients().error, kKinkedGradient) << lines << end;
    }
  }
}

}  // namespace
}  // namespace dng::test
