// A set through networks, micro-batch by micro-batch on the threads that make the images.
#include "eval/run_over.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.h"
#include "tests/network/sample_networks.h"

namespace dng::test {
namespace {

constexpr data::Geometry kImage = {3, 10, 10};
constexpr int kBatch = 12, kImages = 29, kWatched = 3;

struct Seen {
  std::vector<float> logits, probabilities, watched;
  bool operator==(const Seen& other) const {
    return logits == other.logits && probabilities == other.probabilities && watched == other.watched;
  }
};

void append(const float* from, size_t count, std::vector<float>* to) { to->insert(to->end(), from, from + count); }

void see(const network::Network& network, const graph::Pass& pass, Seen* seen) {
  const auto count = static_cast<size_t>(pass.count), classes = static_cast<size_t>(network.classes());
  append(network.logits(pass), count * classes, &seen->logits);
  append(network.probabilities(), count * classes, &seen->probabilities);
  append(network.watched(), count * network.watched_size(), &seen->watched);
}

MemorySet images() {
  std::vector<int> labels;
  labels.reserve(kImages);
  for (int i = 0; i < kImages; ++i) labels.push_back(i % 7);
  return MemorySet(kImage, labels, 4);
}

std::unique_ptr<network::Network> network_of(const std::string& layers, uint64_t seed) {
  network::NetworkSettings settings = network::NetworkSettings::evaluation();
  settings.watched_layer = kWatched;
  auto network =
      std::make_unique<network::Network>(config_of(net_text(kBatch, kImage) + layers + "[softmax]\n"), settings);
  start_from(seed, network.get());
  return network;
}

std::unique_ptr<network::Network> residual(uint64_t seed) {
  return network_of(residual_layers({8, 16}, 1) + head(), seed);
}

// Weights so large that a batch is cut into fewer micro-batches.
std::unique_ptr<network::Network> wide() {
  return network_of(convolution(16, 3, 1, "relu") + convolution(192, 3, 2, "relu") + convolution(192, 3, 1, "relu") +
                        convolution(8, 1, 1, "relu") + head(),
                    3);
}

// What forward() makes of the set's batches.
Seen batch_by_batch(network::Network* network, const MemorySet& set) {
  const graph::NetworkConfig& config = network->config();
  const size_t size = config.input.size();
  Seen seen;
  for (size_t first = 0; first < set.images.size(); first += kBatch) {
    std::vector<float> input(size * kBatch);
    graph::Pass pass;
    pass.count = static_cast<int>(std::min<size_t>(kBatch, set.images.size() - first));
    pass.input = input.data();
    for (size_t i = 0; i < static_cast<size_t>(pass.count); ++i) {
      data::prepare_for_evaluation(set.images[first + i], config.augmentation(), config.input, input.data() + i * size);
    }
    network->forward(&pass);
    see(*network, pass, &seen);
  }
  return seen;
}

std::vector<Seen> run_over_set(const std::vector<network::Network*>& networks, const MemorySet& set, int threads) {
  std::vector<Seen> seen(networks.size());
  eval::run_over(networks, set, threads, "test", [&](const data::Batch&, const graph::Pass& pass) {
    for (size_t n = 0; n < networks.size(); ++n) see(*networks[n], pass, &seen[n]);
  });
  return seen;
}

TEST(RunOver, GivesWhatWholeBatchesGive) {
  const MemorySet set = images();
  const auto network = residual(1);
  ASSERT_GT(network->micro_batch(), 0);
  ASSERT_LT(network->micro_batch(), kBatch);
  const Seen wanted = batch_by_batch(network.get(), set);
  ASSERT_EQ(wanted.logits.size(), static_cast<size_t>(kImages * 7));
  ASSERT_EQ(wanted.watched.size(), static_cast<size_t>(kImages) * network->watched_size());
  for (const int threads : {1, 2, 5}) {
    EXPECT_EQ(run_over_set({network.get()}, set, threads)[0], wanted) << threads << " threads";
  }
}

TEST(RunOver, NetworksWithOtherMicroBatchesSeeTheSameImages) {
  const MemorySet set = images();
  const auto first = residual(1), second = wide(), third = residual(2);
  ASSERT_NE(first->micro_batch(), second->micro_batch());
  const std::vector<network::Network*> networks = {first.get(), second.get(), third.get()};
  const std::vector<Seen> found = run_over_set(networks, set, 3);
  for (size_t n = 0; n < networks.size(); ++n) EXPECT_EQ(found[n], batch_by_batch(networks[n], set)) << n;
  EXPECT_NE(found[0].logits, found[2].logits);
}

// Parameters may change from one run to the next.
TEST(RunOver, SeesTheParametersOfTheMoment) {
  const MemorySet set = images();
  const auto network = residual(1);
  const Seen before = run_over_set({network.get()}, set, 2)[0];
  start_from(9, network.get());
  const Seen after = run_over_set({network.get()}, set, 2)[0];
  EXPECT_NE(after.logits, before.logits);
  EXPECT_EQ(after, batch_by_batch(network.get(), set));
}

TEST(RunOver, LeavesTheNumberOfThreadsAlone) {
  const MemorySet set = images();
  const auto network = residual(1);
  const int before = omp_get_max_threads();
  run_over_set({network.get()}, set, 3);
  EXPECT_EQ(omp_get_max_threads(), before);
}

}  // namespace
}  // namespace dng::test
