// The number of threads decides nothing: sums are cut by the shapes alone and added in a fixed order, so that any
// number gives the same bits.
#include <gtest/gtest.h>

#include "tests/cpu/thread_count.h"
#include "tests/network/sample_networks.h"

namespace dng::test {
namespace {

constexpr int kSteps = 3;

struct Outcome {
  std::vector<uint32_t> trained;  // parameters, momentum and statistics
  std::vector<double> losses;
  std::vector<float> logits;

  bool operator==(const Outcome& other) const {
    return trained == other.trained && losses == other.losses && logits == other.logits;
  }
};

struct Sample {
  const char* name;
  int batch;
  data::Geometry input;
  std::string layers;
  bool reference = false;
  int shards = 1;
};

std::ostream& operator<<(std::ostream& stream, const Sample& sample) { return stream << sample.name; }

Outcome run(const Sample& sample, int threads, uint64_t seed = 1) {
  const ThreadCount guard(threads);
  network::NetworkSettings settings;
  settings.reference = sample.reference;
  network::Network network(config_of(net_text(sample.batch, sample.input) + sample.layers), settings);
  EXPECT_EQ(network.config().shards, sample.shards);
  start_from(seed, &network);
  train::Sgd sgd(&network.parameters(), {0.9, 1e-4, false});
  Outcome outcome;
  for (int step = 0; step < kSteps; ++step) {
    sgd.begin();
    outcome.losses.push_back(train_once(RandomBatch(network.config(), static_cast<uint64_t>(step)), step, &network));
    sgd.step(0.05, sample.batch);
  }
  outcome.trained = bits_of(network);
  const RandomBatch batch(network.config(), 9);
  graph::Pass pass = batch.pass(false);
  network.forward(&pass);
  const float* logits = network.logits(pass);
  outcome.logits.assign(logits, logits + static_cast<size_t>(sample.batch) * static_cast<size_t>(network.classes()));
  return outcome;
}

class ThreadsTest : public testing::TestWithParam<Sample> {};

TEST_P(ThreadsTest, AnyNumberGivesTheSameBits) {
  const Outcome expected = run(GetParam(), 1);
  for (const int threads : {2, 3, 5, 9}) {
    const Outcome found = run(GetParam(), threads);
    EXPECT_EQ(found.losses, expected.losses) << threads << " threads";
    EXPECT_TRUE(found.trained == expected.trained) << threads << " threads: other parameters";
    EXPECT_TRUE(found.logits == expected.logits) << threads << " threads: other outputs in evaluation";
  }
  // A comparison of what is always the same would say nothing.
  EXPECT_FALSE(run(GetParam(), 1, 2) == expected);
}

// Threads change while a network runs, too.
TEST_P(ThreadsTest, ANetworkMadeForOneThreadRunsOnThree) {
  const Sample& sample = GetParam();
  const auto make = [&] {
    const ThreadCount guard(1);
    return std::make_unique<network::Network>(config_of(net_text(sample.batch, sample.input) + sample.layers));
  };
  const auto one = make(), three = make();
  const RandomBatch batch(one->config(), 1);
  const auto step = [&](network::Network* network, int threads) {
    const ThreadCount guard(threads);
    start_from(1, network);
    return train_once(batch, 0, network);
  };
  EXPECT_EQ(step(one.get(), 1), step(three.get(), 3));
  EXPECT_TRUE(bits_of(*one) == bits_of(*three));
}

std::vector<Sample> samples() {
  const std::string end = "[softmax]\n";
  return {
      {"Residual", 16, {3, 12, 12}, residual_layers({16, 32}, 1) + head() + end},
      {"ResidualOfOddBatch", 13, {3, 12, 12}, residual_layers({16, 32}, 1) + head() + end},
      {"Dense", 16, {3, 8, 8}, dense_layers(12, 2, 2) + head() + end},
      {"Plain", 16, {3, 8, 8}, residual_layers({16, 24}, 1) + head() + end, true},
      {"DropoutAndPools",
       16,
       {3, 11, 11},
       convolution(16, 5, 1, "leaky") + "[dropout]\nprobability=0.3\n[maxpool]\nsize=3\nstride=2\n" +
           convolution(24, 3, 1, "relu", true) + "[local_avgpool]\nsize=2\nstride=2\npadding=0\n" +
           "[connected]\noutput=40\nactivation=tanh\nbatch_normalize=1\n[connected]\noutput=7\nactivation=linear\n" +
           "[label_smoothing]\nepsilon=0.1\n"},
      // The products that a head of a larger network takes: many inputs, and a long sum over the batch.
      {"Connected",
       96,
       {3, 8, 8},
       convolution(16, 3, 2, "relu") + "[connected]\noutput=300\nactivation=relu\n" +
           "[connected]\noutput=100\nactivation=linear\n" + end,
       false,
       4},
      {"ResidualOfShards", 64, {3, 12, 12}, residual_layers({16, 32}, 1) + head() + end, false, 4},
      {"DenseOfShards", 32, {3, 8, 8}, dense_layers(12, 2, 2) + head() + end, false, 2},
      {"LargeWeights", 16, {3, 9, 9}, convolution(176, 3, 2, "relu") + convolution(192, 3, 1, "relu") + head() + end},
      {"LargeWeightsOfShards",
       32,
       {3, 9, 9},
       convolution(176, 3, 2, "relu") + convolution(192, 3, 1, "relu") + convolution(176, 5, 1, "relu") + head() + end,
       false,
       2},
      {"Local",
       32,
       {3, 6, 6},
       convolution(16, 3, 1, "relu") + "[local]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n" + head() + end,
       false,
       2},
  };
}

INSTANTIATE_TEST_SUITE_P(Networks, ThreadsTest, testing::ValuesIn(samples()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dng::test
