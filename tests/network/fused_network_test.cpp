// The optimized plan (blocked layouts, fused operations, gradients passed through in place, shared memory, Winograd)
// against the same networks run by the plain one, NetworkSettings::reference, which other tests hold
// against the host, against differences and against PyTorch.
//
// Both plans round differently, and rounding can put a value on the other side of a kink, where relu's gradient jumps
// from 0 to 1. So every network runs twice: as it is, and smooth, with elu for relu and tanh for leaky, where a
// gradient moves no further than what it is made of and the bounds are tight.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "base/file.h"
#include "cpu/workspace.h"
#include "tests/network/twin_networks.h"

namespace dng::test {
namespace {

// Workspace memory holds anything: here the worst, in every thread.
void spoil_workspaces() {
#pragma omp parallel
  {
    const cpu::WorkspaceFrame frame(&cpu::thread_workspace());
    constexpr size_t kCount = 4096;
    for (int i = 0; i < 512; ++i) {
      std::fill_n(cpu::thread_workspace().take(kCount), kCount, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

// Between passes, the memory of training holds what an earlier one left; finite values without meaning.
void spoil_memory(network::Network* network) {
  for (int i = 0; i < network->size(); ++i) {
    const cpu::Node& node = network->node(i);
    if (node.plan.bypassed()) continue;
    const auto batch = static_cast<size_t>(node.batch);
    for (float* memory : {node.output, node.delta}) {
      if (memory != nullptr) std::fill_n(memory, batch * node.out_size(), 1000.0f);
    }
    if (node.saved != nullptr) std::fill_n(node.saved, batch * node.kernel->role(node).saved, 1000.0f);
  }
}

class FusedNetworkTest : public testing::TestWithParam<Sample> {};

TEST_P(FusedNetworkTest, GradientsAndStatisticsOfAStep) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  const RandomBatch batch(twins.fast.config(), 1);
  spoil_workspaces();
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
  network::Network lean(config_of(sample.text()), network::NetworkSettings::evaluation());
  copy_values(twins.fast, &lean);
  double worst = 0;
  const RandomBatch other(twins.fast.config(), 2);
  for (const int count : {sample.batch, 1, 3, sample.batch - 1}) {
    if (count < 1 || count > sample.batch) continue;
    SCOPED_TRACE(count);
    batch = other;
    // Padding is read, and must not matter.
    const auto from = static_cast<std::ptrdiff_t>(static_cast<size_t>(count) * twins.fast.config().input.size());
    std::fill(batch.images.begin() + from, batch.images.end(), 1000.0f);
    spoil_workspaces();
    const std::vector<float> found = evaluated(batch, count, &twins.fast);
    const std::vector<float> expected = evaluated(batch, count, &twins.plain);
    const double error = error_between(found, expected);
    EXPECT_LE(error, kOutput);
    worst = std::max(worst, error);
    spoil_workspaces();
    EXPECT_EQ(evaluated(batch, count, &lean), found) << "without memory for training";
  }
  RecordProperty("error", format("%.2e", worst));
  // The negative control: the biases of the last layer but one that has any, a little off.
  std::vector<graph::Parameter> biases;
  for (const graph::Parameter& p : twins.fast.parameters()) {
    if (std::string(p.name) == "biases") biases.push_back(p);
  }
  ASSERT_GE(biases.size(), 2U);
  const graph::Parameter& moved = biases[biases.size() - 2];
  for (int64_t i = 0; i < moved.count; ++i) moved.value[i] += 0.05f;
  const std::vector<float> expected = evaluated(batch, 1, &twins.plain), found = evaluated(batch, 1, &twins.fast);
  EXPECT_GT(error_between(found, expected), 5 * kOutput);
}

// The first layers of large images take a part of a micro-batch at a time; what later ones read of them has to be there
// for the whole micro-batch: directly, by a shortcut, and where it lies in the memory of a concatenation.
TEST(LargeImagesTest, EvaluationsInParts) {
  const data::Geometry input{3, 128, 128};
  const std::string layers = convolution(16, 3, 1, "relu", true) + convolution(16, 3, 1, "leaky", true) +
                             convolution(16, 3, 2, "linear", true) + convolution(16, 3, 1, "relu", true) +
                             shortcut(-2) + route("-1,-3") + convolution(24, 3, 2, "relu", true) + head() + kSoftmax;
  network::Network parts(config_of(net_text(16, input) + layers)), one(config_of(net_text(1, input) + layers));
  ASSERT_LT(parts.node(2).inference_micro_batch, parts.node(3).inference_micro_batch)
      << "a layer is read across the border";
  start_from(1, &parts);
  const RandomBatch batch(parts.config(), 1);
  train_once(batch, 0, &parts);
  copy_values(parts, &one);
  spoil_workspaces();
  const std::vector<float> found = evaluated(batch, 16, &parts);
  RandomBatch alone(one.config(), 1);
  for (size_t image = 0; image < 16; ++image) {
    SCOPED_TRACE(image);
    std::copy_n(batch.images.begin() + static_cast<long>(image * input.size()), input.size(), alone.images.begin());
    const std::vector<float> expected = evaluated(alone, 1, &one);
    const auto classes = static_cast<int64_t>(expected.size());
    EXPECT_LE(error_between(found.data() + static_cast<int64_t>(image) * classes, expected.data(), expected.size()),
              kOutput);
  }
}

TEST_P(FusedNetworkTest, TwentyStepsStayTogether) {
  const Sample& sample = GetParam();
  Twins twins(sample.text());
  const auto run = [&](network::Network* network) {
    train::Sgd sgd(&network->parameters(), {0.9, 1e-4, false});
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
    EXPECT_LE(std::fabs(found[i] - expected[i]), sample.loss_bound(i) * std::fabs(expected[i])) << "step " << i;
  }
  EXPECT_LE(twins.statistics().error, 4 * sample.loss_bound(kSteps)) << twins.statistics().where;
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
    const graph::Parameter& p = twins.fast.parameters()[i];
    SCOPED_TRACE(format("layer %d, %s", p.layer, p.name));
    train_once(batch, 0, &twins.plain);
    train_once(batch, 0, &twins.fast);
    if (p.frozen) continue;
    for (int64_t k = 0; k < p.count; ++k) p.update[k] *= 1.1f;
    // Not a bias that only a batch norm reads, nor others with next to no gradient.
    if (norm_of(p.update, p.count) > twins.least_norm(p.count)) {
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
  void add(const std::string& section, const data::Geometry& shape) {
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
    const data::Geometry now = shape_;
    const auto same_space = [&](const data::Geometry& s) { return s.height == now.height && s.width == now.width; };
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
        return add(
            shortcut(
                pick(earlier([&](const data::Geometry& s) { return same_space(s) && s.channels == now.channels; })),
                activation()),
            now);
      case 3:
      case 4:
      case 5: {
        data::Geometry concatenated{0, now.height, now.width};
        std::string list;
        // Often a concatenation continues what an earlier one has, as dense blocks do.
        std::vector<size_t> longer;
        for (size_t i = 0; i < concatenations_.size(); ++i) {
          if (same_space(concatenations_[i].second)) longer.push_back(i);
        }
        if (!longer.empty() && random_.below(3) != 0) {
          list = concatenations_[longer[random_.below(static_cast<uint32_t>(longer.size()))]].first;
          concatenated = concatenations_[longer[0]].second;
          for (const auto& one : concatenations_) concatenated = one.first == list ? one.second : concatenated;
        }
        for (int n = 1 + static_cast<int>(random_.below(list.empty() ? 4 : 2)); n > 0; --n) {
          const int from = pick(earlier(same_space));
          if (concatenated.channels + shapes_[static_cast<size_t>(from)].channels > 128) continue;
          concatenated.channels += shapes_[static_cast<size_t>(from)].channels;
          list += (list.empty() ? "" : ",") + std::to_string(from);
        }
        if (list.empty()) return;
        concatenations_.emplace_back(list, concatenated);
        add(route(list), concatenated);
        if (random_.below(2) == 0) add("[batchnorm]\n", concatenated);
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
  data::Geometry input_, shape_;
  std::vector<data::Geometry> shapes_;
  std::vector<std::pair<std::string, data::Geometry>> concatenations_;  // what each names, and its output
  std::string text_;
};

class RandomNetworkTest : public testing::TestWithParam<int> {};

TEST_P(RandomNetworkTest, TwoStepsAreThePlainOnes) {
  const int number = GetParam();
  const Sample sample = Composer(static_cast<uint64_t>(number), number % 5 == 0).compose("random");
  SCOPED_TRACE(sample.text());
  Twins twins(sample.text());
  train::Sgd fast(&twins.fast.parameters(), {0.9, 1e-4, false}), plain(&twins.plain.parameters(), {0.9, 1e-4, false});
  double worst = 0;
  for (int step = 0; step < 2; ++step) {
    const RandomBatch batch(twins.fast.config(), static_cast<uint64_t>(step));
    spoil_workspaces();
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
    spoil_workspaces();
    const std::vector<float> outputs = evaluated(batch, sample.batch - 1, &twins.fast);
    const std::vector<float> wanted = evaluated(batch, sample.batch - 1, &twins.plain);
    ASSERT_LE(error_between(outputs, wanted), 10 * kOutput) << "evaluation after step " << step;
    fast.step(kRate, sample.batch);
    plain.step(kRate, sample.batch);
  }
  RecordProperty("gradient", format("%.2e", worst));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomNetworkTest, testing::Range(1, 31));

}  // namespace
}  // namespace dng::test
