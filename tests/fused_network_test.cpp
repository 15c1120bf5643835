// Networks run the fast way (blocked layouts, outputs computed where they are read, deltas handed on early, shared
// memory, Winograd) against the same networks run the plain way, NetworkSettings::reference, which other tests hold
// against the host, against differences and against PyTorch.
//
// Both ways round differently, and rounding can put a number on the other side of a kink, where relu's gradient jumps
// from 0 to 1. So every network runs twice: as it is, and smooth, with elu for relu and tanh for leaky, where a
// gradient moves no further than what it is made of and the bounds are tight.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "base/file.h"
#include "engine/cpu/scratch.h"
#include "tests/sample_networks.h"

namespace dng::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Largest error of a tensor's gradient, as the norm of the difference over the norm. Smooth: rounding alone, Winograd's
// (1e-5) through up to 20 layers included. With kinks: one activation of the n of a layer that flips is 1 / sqrt(n) of
// the gradient, 1e-2 for the thousands of the smallest layers here. A lost edge, channel or image is more than either.
constexpr double kSmoothGradient = 2e-4;
constexpr double kKinkedGradient = 3e-2;
// Logits over the largest of them, and rolling statistics over the largest of a layer. Flips do not matter here: the
// functions themselves are continuous.
constexpr double kOutput = 1e-4;
constexpr double kStatistics = 1e-4;
// Losses over 20 steps, relative. Differences of rounding grow with every step, the faster the further the parameters
// move, so that a bound holds only for so many steps; a wrong gradient is off by more in the second step.
constexpr int kSteps = 20;
constexpr double kRate = 0.01;
constexpr double kSmoothLoss = 1e-3;
constexpr double kKinkedLoss = 2e-2;

struct Sample {
  std::string name;
  int batch = 8;
  Geometry input;
  std::string layers;
  bool smooth = false;

  double gradient_bound() const { return smooth ? kSmoothGradient : kKinkedGradient; }
  double loss_bound() const { return smooth ? kSmoothLoss : kKinkedLoss; }
  std::string text() const { return net_text(batch, input) + layers; }
};

std::ostream& operator<<(std::ostream& stream, const Sample& sample) { return stream << sample.name; }

std::string resnet20() {
  const std::string text = read_file(source_path("cfg/cifar100-resnet20.cfg"), "the cfg");
  return text.substr(text.find("[convolutional]"));
}

const std::string kSoftmax = "[softmax]\n";

std::vector<Sample> samples() {
  const auto c = convolution;
  std::vector<Sample> list;
  const auto add = [&](const std::string& name, int batch, const Geometry& input, const std::string& layers) {
    list.push_back({name, batch, input, layers});
  };
  add("ResNet20", 8, {3, 16, 16}, resnet20());
  add("DenseNet", 8, {3, 12, 12}, dense_layers(12, 3, 3) + head() + kSoftmax);
  // Channels that fill whole blocks only now and then.
  add("DenseNetOf5", 16, {1, 9, 9}, dense_layers(5, 2, 4) + head() + kSoftmax);
  add("PreActivation", 8, {3, 12, 12},
      c(16, 3, 1, "linear", false, "") +  //
          normalised("relu") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", false, "") + shortcut(-5) +
          normalised("relu") + c(32, 3, 2, "relu", true, "") + c(32, 3, 1, "linear", false, "") +  // 7 .. 10
          route("-4") + c(32, 1, 2, "linear", false, "") + shortcut(-3) +                          // 11, 12, 13
          normalised("leaky") + c(32, 3, 1, "relu", true, "") + c(32, 3, 1, "linear", false, "") + shortcut(-5) +
          normalised("relu") + head() + kSoftmax);
  add("ShortcutFirst", 8, {3, 10, 10},
      // The projection comes first and the branch is added to it: sources in the other order.
      c(16, 3, 1, "relu", true, "") + c(24, 1, 1, "linear", false, "") +                                         // 0, 1
          route("0") + c(24, 3, 1, "relu", false, "") + c(24, 3, 1, "linear", true, "") + shortcut(1, "relu") +  // 5
          shortcut(3) + shortcut(5, "leaky") + shortcut(-1) +  // of shortcuts, and of itself
          c(24, 3, 1, "linear", true, "") + shortcut(5) + shortcut(6, "relu") + head() + kSoftmax);
  add("ThreeReaders", 8, {3, 10, 10},
      c(16, 3, 1, "relu", false, "") +  // 0: a relu convolution, read by a shortcut and two others
          c(16, 3, 1, "linear", false, "") + activation_text("relu") + shortcut(0) +  // 3
          route("0") + c(16, 3, 1, "leaky", true, "") + shortcut(3) +                 // 6
          activation_text("relu") +                                                   // 7
          c(16, 1, 1, "linear", true, "") + shortcut(6, "relu") +                     // 9
          route("6") + activation_text("leaky") + shortcut(9) + shortcut(0) + head() + kSoftmax);
  add("Routes", 8, {3, 10, 10},
      c(12, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", true, "") +  // 0, 1
          route("1,0") + route("-1") + route("-1,0,1") +                  // 2: 28, 3, 4: 56 channels
          c(16, 1, 1, "relu", true, "") + shortcut(1) +                   // 5, 6
          route("6,1") + normalised("relu") +               // 7 (32), 8, 9; layer 1 is read by shortcut and route
          c(16, 3, 1, "linear", false, "") + shortcut(6) +  // 10, 11
          route("7,10,2") + c(24, 3, 1, "relu", true, "") + route("-1,-2,-1") + head() + kSoftmax);
  add("ActivationAfterShortcut", 8, {3, 10, 10},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-3) +
          activation_text("relu") +                                                   // of the shortcut alone
          c(16, 3, 1, "linear", true, "") + shortcut(-2) + activation_text("relu") +  // 5, 6, 7; 6 is read once more
          c(16, 3, 1, "linear", true, "") + shortcut(6) + activation_text("leaky") + activation_text("relu") + head() +
          kSoftmax);
  add("OtherActivations", 8, {3, 12, 12},
      c(16, 3, 1, "leaky", false, "") + c(16, 3, 1, "logistic", true, "") + "[dropout]\nprobability=0.3\n" +
          c(24, 3, 1, "tanh", false, "") + "[maxpool]\nsize=3\nstride=2\n" + c(24, 3, 1, "elu", true, "") +
          "[maxpool]\nsize=2\nstride=1\n" + c(12, 3, 1, "linear", false, "") + normalised("logistic") +
          c(12, 1, 1, "linear", true, "") + activation_text("tanh") + "[dropout]\nprobability=0.2\n" +
          "[local_avgpool]\nsize=3\nstride=2\n" + activation_text("elu") +
          "[connected]\noutput=9\nactivation=tanh\nbatch_normalize=1\n[connected]\noutput=7\nactivation=linear\n" +
          kSoftmax);
  add("Frozen", 8, {3, 10, 10},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") +
          replaced(shortcut(-3), "activation", "stopbackward=1\nactivation") + activation_text("relu") +
          c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-3) + route("-1,0") +
          normalised("relu") + c(12, 3, 1, "linear", false, "") + head() + kSoftmax);
  add("Distilled", 8, {3, 10, 10},
      residual_layers({16, 24}, 1) + head() +
          "[distill]\nlambda=0.7\ntemperature=3\nteacher=t.cfg\nteacher_weights=t.weights\n");
  add("HostInTheMiddle", 8, {3, 8, 8},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-2, "relu") +
          "[normalization]\nalpha=0.01\nbeta=0.75\nsize=5\n" + c(16, 3, 1, "relu", true, "") + shortcut(-3) +
          c(16, 3, 1, "selu", false, "") + route("-1,5") + normalised("relu") + "[upsample]\nstride=2\n" +
          c(24, 3, 2, "relu", true, "") + head() + kSoftmax);
  add("GroupsAndOddSizes", 8, {5, 13, 11},
      c(12, 5, 1, "leaky", true, "") + c(24, 3, 2, "relu", true, "groups=3\n") + c(32, 1, 1, "linear", false, "") +
          c(32, 3, 1, "relu", true, "groups=2\n") + c(17, 3, 1, "relu", false, "") + c(13, 7, 1, "linear", true, "") +
          activation_text("relu") + c(24, 1, 3, "relu", true, "") + c(3, 3, 1, "leaky", true, "") +
          c(1, 3, 1, "linear", true, "") + route("-1,-2,-3") + c(5, 1, 1, "relu", false, "") +
          "[connected]\noutput=6\nactivation=linear\n" + kSoftmax);
  add("OneChannel", 6, {1, 9, 7},
      c(1, 3, 1, "relu", true, "") + c(3, 3, 2, "leaky", false, "") + c(16, 3, 1, "linear", true, "") +
          shortcut(-1, "relu") + "[maxpool]\nsize=1\nstride=2\n" + c(13, 1, 1, "relu", true, "") + head() + kSoftmax);
  // Thinned out twice, and thinned out for a reader that cannot do it itself.
  add("Thinned", 8, {3, 13, 13},
      c(16, 3, 1, "relu", true, "") + "[maxpool]\nsize=1\nstride=2\n" + c(24, 1, 1, "linear", true, "") +    // 0, 1, 2
          route("0") + c(24, 3, 2, "relu", true, "") + shortcut(2, "relu") +                                 // 3, 4, 5
          "[maxpool]\nsize=1\nstride=2\n[maxpool]\nsize=1\nstride=2\n" + c(16, 1, 1, "linear", false, "") +  // 8
          route("6") + c(16, 3, 2, "relu", true, "") + shortcut(8) + route("5") + "[maxpool]\nsize=1\nstride=3\n" +
          c(16, 3, 1, "relu", false, "") + c(16, 2, 2, "linear", true, "") + head() + kSoftmax);
  // More than 2^18 weights: larger pieces, and fewer sums of gradients.
  add("LargeWeights", 8, {3, 6, 6},
      c(192, 3, 1, "relu", true, "") + c(176, 3, 1, "relu", true, "") + c(192, 3, 1, "linear", false, "") +
          shortcut(0, "relu") + head() + kSoftmax);
  add("BatchOfOne", 1, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(24, 3, 1, "linear", true, "") + c(16, 3, 1, "linear", false, "") +
          shortcut(0) + activation_text("relu") + c(32, 3, 2, "relu", false, "") + head() + kSoftmax);
  add("BatchOfSeven", 7, {3, 8, 8}, residual_layers({16, 32}, 1) + head() + kSoftmax);
  // The first joins are read after the longer ones that begin with the same layers.
  add("JoinsReadInTheOtherOrder", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") + c(16, 3, 1, "linear", true, "") +  // 0, 1, 2
          route("0,1") + route("0,1,2") + normalised("relu") + c(16, 3, 1, "linear", false, "") +            // 3 .. 7
          route("3") + normalised("relu") + c(16, 1, 1, "relu", false, "") + shortcut(7) + head() + kSoftmax);
  // The same where nobody else reads the first join.
  add("JoinThatIsReadByAJoinAlone", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") + c(16, 3, 1, "linear", true, "") +
          route("0,1") + route("0,1,2") + normalised("relu") + c(16, 3, 1, "linear", false, "") + head() + kSoftmax);
  // A join of joins: the first is read once more when the longer ones are there.
  add("JoinsReadTwice", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") +                   // 0, 1
          route("0,1") + normalised("relu") + c(16, 3, 1, "linear", false, "") +            // 2 .. 5
          route("0,1,5") + normalised("leaky") + c(16, 1, 1, "linear", false, "") +         // 6 .. 9
          route("2") + normalised("relu") + c(16, 1, 1, "relu", false, "") + shortcut(9) +  // 10 .. 14
          route("0,1,5,9") + normalised("relu") + route("6,-1") + normalised("relu") + route("2,14") +
          normalised("relu") + c(16, 3, 1, "linear", false, "") + head() + kSoftmax);
  // Layers that nobody reads.
  add("DeadBranches", 8, {3, 8, 8},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + shortcut(0) + normalised("relu") +  // 0 .. 4
          route("0") + c(16, 3, 1, "linear", true, "") + shortcut(1) + c(24, 3, 2, "relu", true, "") +    // 5 .. 8
          route("7,0") + normalised("relu") + route("7") + c(24, 3, 1, "relu", true, "") + head() + kSoftmax);
  return list;
}

std::vector<Sample> both(const std::vector<Sample>& list) {
  std::vector<Sample> all;
  for (const Sample& sample : list) {
    all.push_back(sample);
    all.push_back(sample);
    Sample& smooth = all.back();
    smooth.smooth = true;
    smooth.name += "Smooth";
    smooth.layers = replaced(replaced(smooth.layers, "=relu\n", "=elu\n"), "=leaky\n", "=tanh\n");
  }
  return all;
}

// Scratch memory holds anything: here the worst, in every thread.
void spoil_scratch() {
#pragma omp parallel
  {
    const ScratchFrame frame(&thread_scratch());
    constexpr size_t kCount = 4096;
    for (int i = 0; i < 512; ++i) {
      std::fill_n(thread_scratch().take(kCount), kCount, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

// Between passes, the memory of training holds what an earlier one left; finite numbers, here of no meaning.
void spoil_memory(Network* network) {
  for (int i = 0; i < network->size(); ++i) {
    const Node& node = network->node(i);
    if (node.bypassed || dynamic_cast<const HostKernel*>(node.kernel.get()) != nullptr) continue;
    const auto batch = static_cast<size_t>(node.batch);
    for (float* memory : {node.output, node.delta}) {
      if (memory != nullptr) std::fill_n(memory, batch * node.out_size(), 1000.0f);
    }
    if (node.kept != nullptr) std::fill_n(node.kept, batch * node.kernel->role(node).kept, 1000.0f);
  }
}

double norm_of(const float* values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

// The largest difference over the largest of `expected`.
double error_between(const float* found, const float* expected, int64_t count) {
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(found[i]) || !std::isfinite(expected[i])) return kInfinity;
    difference = std::max(difference, std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
  }
  return difference == 0 ? 0 : largest > 0 ? difference / largest : kInfinity;
}

struct Worst {
  double error = 0;
  std::string where;
  void add(double found, const std::string& place) {
    if (!(found <= error)) {
      error = std::isnan(found) ? kInfinity : found;
      where = place;
    }
  }
};

// The same network both ways, with the same parameters.
struct Twins {
  explicit Twins(const std::string& text) : fast(config_of(text)), plain(config_of(text), reference()) { start(); }

  void start() {
    start_from(1, &fast);
    start_from(1, &plain);
  }

  static NetworkSettings reference() {
    NetworkSettings settings;
    settings.reference = true;
    return settings;
  }

  // A tensor whose gradient is nothing but rounding (a bias that only a batch norm reads) is judged on a hundredth of
  // the largest tensor's.
  Worst gradients() {
    Worst worst;
    double largest = 0;
    for (const Parameter& p : plain.parameters()) {
      largest = std::max(largest, norm_of(p.update, p.count) / std::sqrt(static_cast<double>(p.count)));
    }
    for (size_t i = 0; i < plain.parameters().size(); ++i) {
      const Parameter &found = fast.parameters()[i], &expected = plain.parameters()[i];
      const double floor = 1e-2 * largest * std::sqrt(static_cast<double>(expected.count));
      std::vector<float> difference(static_cast<size_t>(expected.count));
      for (size_t k = 0; k < difference.size(); ++k) difference[k] = found.update[k] - expected.update[k];
      worst.add(norm_of(difference.data(), expected.count) / std::max(norm_of(expected.update, expected.count), floor),
                format("layer %d, %s", expected.layer, expected.name));
    }
    return worst;
  }

  Worst statistics() {
    Worst worst;
    for (size_t layer = 0; layer < plain.blocks().size(); ++layer) {
      for (size_t i = 0; i < plain.blocks()[layer].size(); ++i) {
        const host::Block &found = fast.blocks()[layer][i], &expected = plain.blocks()[layer][i];
        if (expected.update != nullptr) continue;
        worst.add(error_between(found.value, expected.value, expected.count),
                  format("layer %zu, %s", layer, expected.name));
      }
    }
    return worst;
  }

  Network fast, plain;
};

std::vector<float> evaluated(const RandomBatch& batch, int count, Network* network) {
  Pass pass = batch.pass(false);
  pass.count = count;
  network->forward(&pass);
  const float* logits = network->logits(pass);
  return {logits, logits + static_cast<size_t>(count) * static_cast<size_t>(network->classes())};
}

class FusedNetworkTest : public testing::TestWithParam<Sample> {};

TEST_P(FusedNetworkTest, GradientsAndStatisticsOfAStep) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  const RandomBatch batch(twins.fast.config(), 1);
  spoil_scratch();
  spoil_memory(&twins.fast);
  const double found = train_once(batch, 0, &twins.fast), expected = train_once(batch, 0, &twins.plain);
  EXPECT_NEAR(found, expected, kOutput * std::fabs(expected));
  const Worst gradient = twins.gradients(), statistics = twins.statistics();
  EXPECT_LE(gradient.error, sample.gradient_bound()) << gradient.where;
  EXPECT_LE(statistics.error, kStatistics) << statistics.where;
  RecordProperty("gradient", format("%.2e", gradient.error));
  RecordProperty("statistics", format("%.2e", statistics.error));
}

TEST_P(FusedNetworkTest, EvaluationsOfAWholeBatchAndOfAFewImages) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  RandomBatch batch(twins.fast.config(), 1);
  // The rolling statistics are then the batch's.
  train_once(batch, 0, &twins.fast);
  train_once(batch, 0, &twins.plain);
  Network lean(config_of(sample.text()), NetworkSettings::evaluation());
  for (size_t layer = 0; layer < twins.fast.blocks().size(); ++layer) {
    for (size_t i = 0; i < twins.fast.blocks()[layer].size(); ++i) {
      const host::Block& from = twins.fast.blocks()[layer][i];
      std::copy_n(from.value, from.count, lean.blocks()[layer][i].value);
    }
  }
  double worst = 0;
  const RandomBatch other(twins.fast.config(), 2);
  for (const int count : {sample.batch, 1, 3, sample.batch - 1}) {
    if (count < 1 || count > sample.batch) continue;
    SCOPED_TRACE(count);
    batch = other;
    // Padding is read, and must not matter.
    const auto from = static_cast<std::ptrdiff_t>(static_cast<size_t>(count) * twins.fast.config().input.size());
    std::fill(batch.images.begin() + from, batch.images.end(), 1000.0f);
    spoil_scratch();
    const std::vector<float> found = evaluated(batch, count, &twins.fast);
    const std::vector<float> expected = evaluated(batch, count, &twins.plain);
    const double error = error_between(found.data(), expected.data(), static_cast<int64_t>(expected.size()));
    EXPECT_LE(error, kOutput);
    worst = std::max(worst, error);
    spoil_scratch();
    EXPECT_EQ(evaluated(batch, count, &lean), found) << "without memory for training";
  }
  RecordProperty("error", format("%.2e", worst));
  // The negative control: the biases of the last layer but one that has any, a little off.
  std::vector<Parameter> biases;
  for (const Parameter& p : twins.fast.parameters()) {
    if (std::string(p.name) == "biases") biases.push_back(p);
  }
  ASSERT_GE(biases.size(), 2U);
  const Parameter& moved = biases[biases.size() - 2];
  for (int64_t i = 0; i < moved.count; ++i) moved.value[i] += 0.05f;
  const std::vector<float> expected = evaluated(batch, 1, &twins.plain), found = evaluated(batch, 1, &twins.fast);
  EXPECT_GT(error_between(found.data(), expected.data(), static_cast<int64_t>(expected.size())), 5 * kOutput);
}

TEST_P(FusedNetworkTest, TwentyStepsStayTogether) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  const auto run = [&](Network* network) {
    Sgd sgd(&network->parameters(), {0.9, 1e-4, false});
    std::vector<double> losses;
    for (int step = 0; step < kSteps; ++step) {
      const RandomBatch batch(network->config(), 10 + static_cast<uint64_t>(step % 4));
      sgd.begin();
      losses.push_back(train_once(batch, step, network));
      sgd.step(kRate, sample.batch);
    }
    return losses;
  };
  const std::vector<double> found = run(&twins.fast), expected = run(&twins.plain);
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(found[i] - expected[i]) / std::fabs(expected[i]));
    EXPECT_LE(std::fabs(found[i] - expected[i]), sample.loss_bound() * std::fabs(expected[i])) << "step " << i;
  }
  EXPECT_LE(twins.statistics().error, 10 * sample.loss_bound()) << twins.statistics().where;
  // The same images as in the first step: a comparison of networks that stand still would say little.
  EXPECT_GT(std::fabs(expected[kSteps - 4] - expected[0]), 1e-2 * expected[0]);
  RecordProperty("loss", format("%.2e", worst));
  RecordProperty("statistics", format("%.2e", twins.statistics().error));
}

// The negative control: what a mistake would change little, a lost image or a tenth more of one tensor, is beyond the
// bounds.
TEST_P(FusedNetworkTest, AMistakeWouldBeFound) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  const RandomBatch batch(twins.fast.config(), 1);
  train_once(batch, 0, &twins.plain);
  RandomBatch less = batch;
  const auto image = static_cast<std::ptrdiff_t>(twins.fast.config().input.size());
  std::fill(less.images.end() - image, less.images.end(), 0.0f);
  train_once(less, 0, &twins.fast);
  EXPECT_GT(twins.gradients().error, 2 * sample.gradient_bound());
  if (twins.statistics().error > 0) {
    EXPECT_GT(twins.statistics().error, 10 * kStatistics);
  }
  for (size_t i = 0; i < twins.fast.parameters().size(); i += 1 + twins.fast.parameters().size() / 5) {
    twins.start();
    const Parameter& p = twins.fast.parameters()[i];
    SCOPED_TRACE(format("layer %d, %s", p.layer, p.name));
    train_once(batch, 0, &twins.plain);
    train_once(batch, 0, &twins.fast);
    if (p.frozen) continue;
    for (int64_t k = 0; k < p.count; ++k) p.update[k] *= 1.1f;
    // Not a bias that only a batch norm reads: it has no gradient.
    if (norm_of(p.update, p.count) > 1e-2) {
      EXPECT_GT(twins.gradients().error, 2 * sample.gradient_bound());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, FusedNetworkTest, testing::ValuesIn(both(samples())),
                         [](const auto& info) { return info.param.name; });

// --- random networks -------------------------------------------------------------------------------------------------

// Composes a network out of what fits: each layer reads the one before, and now and then an earlier one.
class Composer {
 public:
  Composer(uint64_t seed, bool kinks) : random_(seed, Stream::kTest, 0, 4), kinks_(kinks) {
    host_ = random_.below(10) == 0;
    if (random_.below(5) == 0) frozen_ = 1 + random_.below(5);
    input_ = {pick({1, 3, 16}), static_cast<int>(6 + random_.below(5)), static_cast<int>(6 + random_.below(5))};
  }

  Sample compose(const std::string& name) {
    shape_ = input_;
    convolve();
    const int count = 8 + static_cast<int>(random_.below(14));
    while (static_cast<int>(shapes_.size()) < count) add_layer();
    text_ += head(5) + kSoftmax;
    return {name, pick({4, 6, 8}), input_, text_, !kinks_};
  }

 private:
  int pick(const std::vector<int>& from) { return from[random_.below(static_cast<uint32_t>(from.size()))]; }
  std::string activation() {
    const std::vector<const char*> names = kinks_ ? std::vector<const char*>{"relu", "relu", "leaky", "linear"}
                                                  : std::vector<const char*>{"elu", "tanh", "logistic", "linear"};
    // Smooth, and left to the host.
    if (host_ && random_.below(8) == 0) return "loggy";
    return names[random_.below(4)];
  }
  void add(const std::string& section, const Geometry& shape) {
    text_ += section;
    if (shapes_.size() + 1 == frozen_) text_ += "stopbackward=1\n";
    shape_ = shape;
    shapes_.push_back(shape);
  }
  void convolve() {
    const int size = pick({1, 3, 3, 3, 5}), stride = shape_.height >= 6 && shape_.width >= 6 ? pick({1, 1, 1, 2}) : 1;
    const int filters = random_.below(2) == 0 ? 16 : pick({3, 5, 12, 13, 17, 24, 32});
    const bool group = filters % 4 == 0 && shape_.channels % 4 == 0 && random_.below(6) == 0;
    const auto length = [&](int n) { return (n + 2 * (size / 2) - size) / stride + 1; };
    add(convolution(filters, size, stride, activation(), random_.below(2) == 0, group ? "groups=4\n" : ""),
        {filters, length(shape_.height), length(shape_.width)});
  }
  // Earlier layers that `fits` takes.
  template <class Fits>
  std::vector<int> earlier(const Fits& fits) {
    std::vector<int> found;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      if (fits(shapes_[i])) found.push_back(static_cast<int>(i));
    }
    return found;
  }
  void add_layer() {
    const Geometry now = shape_;
    const auto same_space = [&](const Geometry& s) { return s.height == now.height && s.width == now.width; };
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
        return add(
            shortcut(pick(earlier([&](const Geometry& s) { return same_space(s) && s.channels == now.channels; })),
                     activation()),
            now);
      case 3:
      case 4:
      case 5: {
        Geometry joined{0, now.height, now.width};
        std::string list;
        // Often a join goes on with what an earlier one has, as dense blocks do.
        std::vector<size_t> longer;
        for (size_t i = 0; i < joins_.size(); ++i) {
          if (same_space(joins_[i].second)) longer.push_back(i);
        }
        if (!longer.empty() && random_.below(3) != 0) {
          list = joins_[longer[random_.below(static_cast<uint32_t>(longer.size()))]].first;
          joined = joins_[longer[0]].second;
          for (const auto& join : joins_) joined = join.first == list ? join.second : joined;
        }
        for (int n = 1 + static_cast<int>(random_.below(list.empty() ? 4 : 2)); n > 0; --n) {
          const int from = pick(earlier(same_space));
          if (joined.channels + shapes_[static_cast<size_t>(from)].channels > 128) continue;
          joined.channels += shapes_[static_cast<size_t>(from)].channels;
          list += (list.empty() ? "" : ",") + std::to_string(from);
        }
        if (list.empty()) return;
        joins_.emplace_back(list, joined);
        add(route(list), joined);
        if (random_.below(2) == 0) add("[batchnorm]\n", joined);
        return;
      }
      case 6: {
        // Somewhere else altogether: a branch.
        const int from = static_cast<int>(random_.below(static_cast<uint32_t>(shapes_.size())));
        return add(route(std::to_string(from)), shapes_[static_cast<size_t>(from)]);
      }
      case 7:
      case 8:
        return add("[batchnorm]\n", now);
      case 9:
      case 10:
        return add(activation_text(activation()), now);
      case 11: {
        const int kind = static_cast<int>(random_.below(4));
        if (kind == 0) return add("[dropout]\nprobability=0.2\n", now);
        if (kind == 1) return add("[local_avgpool]\nsize=3\nstride=1\n", now);
        if (kind == 2 || now.height < 4 || now.width < 4) return add("[maxpool]\nsize=3\nstride=1\n", now);
        return add("[maxpool]\nsize=1\nstride=2\n", {now.channels, (now.height + 1) / 2, (now.width + 1) / 2});
      }
      default:
        return convolve();
    }
  }

  CounterRandom random_;
  bool kinks_, host_ = false;
  size_t frozen_ = 0;  // so many layers stand still
  Geometry input_, shape_;
  std::vector<Geometry> shapes_;
  std::vector<std::pair<std::string, Geometry>> joins_;  // what each names, and its output
  std::string text_;
};

class RandomNetworkTest : public testing::TestWithParam<int> {};

TEST_P(RandomNetworkTest, TwoStepsAreThePlainOnes) {
  const int number = GetParam();
  const Sample sample = Composer(static_cast<uint64_t>(number), number % 5 == 0).compose("random");
  SCOPED_TRACE(sample.text());
  Twins twins(sample.text());
  Sgd fast(&twins.fast.parameters(), {0.9, 1e-4, false}), plain(&twins.plain.parameters(), {0.9, 1e-4, false});
  double worst = 0;
  for (int step = 0; step < 2; ++step) {
    const RandomBatch batch(twins.fast.config(), static_cast<uint64_t>(step));
    spoil_scratch();
    spoil_memory(&twins.fast);
    fast.begin();
    plain.begin();
    const double found = train_once(batch, step, &twins.fast), expected = train_once(batch, step, &twins.plain);
    ASSERT_NEAR(found, expected, 10 * kOutput * std::fabs(expected)) << "step " << step;
    const Worst gradient = twins.gradients();
    worst = std::max(worst, gradient.error);
    // Some of these have a hundred activations in a layer, where one that flips is a tenth of the gradient.
    if (sample.smooth || step == 0) {
      ASSERT_LE(gradient.error, sample.smooth ? 5 * kSmoothGradient : 5 * kKinkedGradient)
          << "step " << step << ", " << gradient.where;
    }
    ASSERT_LE(twins.statistics().error, 10 * kStatistics) << "step " << step << ", " << twins.statistics().where;
    spoil_scratch();
    const std::vector<float> outputs = evaluated(batch, sample.batch - 1, &twins.fast);
    const std::vector<float> wanted = evaluated(batch, sample.batch - 1, &twins.plain);
    ASSERT_LE(error_between(outputs.data(), wanted.data(), static_cast<int64_t>(wanted.size())), 10 * kOutput)
        << "evaluation after step " << step;
    fast.step(kRate, sample.batch);
    plain.step(kRate, sample.batch);
  }
  RecordProperty("gradient", format("%.2e", worst));
}

INSTANTIATE_TEST_SUITE_P(Numbers, RandomNetworkTest, testing::Range(1, 31));

}  // namespace
}  // namespace dng::test
