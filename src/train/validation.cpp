#include "train/validation.h"

#include <algorithm>
#include <cmath>

#include "base/finite.h"

namespace dng::train {
namespace {

constexpr const char* kLabel = "validation";

// Consecutive images of a set.
class Slice final : public data::Dataset {
 public:
  Slice(const data::Dataset& whole, int64_t first, int64_t size) : whole_(whole), first_(first), size_(size) {}
  int64_t size() const override { return size_; }
  int label(int64_t index) const override { return whole_.label(first_ + index); }
  void decode(int64_t index, data::Image* image) const override { whole_.decode(first_ + index, image); }
  std::string sample_name(int64_t index) const override { return whole_.sample_name(first_ + index); }
  std::string description() const override { return whole_.description(); }
  uint64_t hash() const override { return whole_.hash(); }

 private:
  const data::Dataset& whole_;
  int64_t first_, size_;
};

struct ImageResult {
  double loss;
  int64_t rank;  // of the label; below 0: the outputs are not finite
};

std::vector<ImageResult> results_of(network::Network* network, const data::Dataset& data, int k, int threads) {
  std::vector<ImageResult> results;
  const auto classes = static_cast<size_t>(network->classes());
  eval::LogSoftmax softmax(*network);
  eval::evaluate(network, data, k, threads, kLabel, [&](const data::Batch& batch, const graph::Pass& pass) {
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      const float* probabilities = network->probabilities() + b * classes;
      if (!all_finite(probabilities, classes)) {
        results.push_back({0, -1});
        continue;
      }
      softmax.compute(network->logits(pass) + b * classes);
      results.push_back({-softmax.log_f[static_cast<size_t>(batch.labels[b])],
                         eval::rank_of(probabilities, network->classes(), batch.labels[b])});
    }
  });
  return results;
}

}  // namespace

eval::Accuracy validate(network::Network* network, const data::Dataset& data, int k, int threads, const Ranks& ranks) {
  if (ranks.size() == 1) return eval::evaluate(network, data, k, threads, kLabel);
  // Whole shards, so that an image is computed beside the same others on any number of ranks.
  const graph::NetworkConfig& config = network->config();
  const int64_t shard = config.mini_batch / config.shards, share = shard * ranks.size();
  const int64_t count = (data.size() + share - 1) / share * shard;
  const int64_t first = std::min(data.size(), count * ranks.all().rank());
  std::vector<ImageResult> mine;
  int signal = 0;
  try {
    mine = results_of(network, Slice(data, first, std::min(count, data.size() - first)), k, threads);
  } catch (const Interrupted& stopped) {
    signal = stopped.signal();
  }
  for (const int one : ranks.all().gathered(signal)) {
    if (one != 0) throw Interrupted("", one);
  }
  mine.resize(static_cast<size_t>(count));
  std::vector<ImageResult> all(mine.size() * static_cast<size_t>(ranks.size()));
  ranks.all().gather(mine.data(), all.data(), mine.size() * sizeof(ImageResult));
  eval::Accuracy accuracy;
  accuracy.k = k;
  accuracy.classes = network->classes();
  double loss = 0;
  for (int64_t i = 0; i < data.size(); ++i) {
    const ImageResult& result = all[static_cast<size_t>(i)];
    if (result.rank < 0) {
      accuracy.count_not_finite(data.sample_name(i));
      continue;
    }
    accuracy.count(static_cast<int>(result.rank));
    loss += result.loss;
  }
  if (accuracy.not_finite > 0) loss = std::nan("");
  accuracy.loss = data.size() > 0 ? loss / static_cast<double>(data.size()) : 0;
  return accuracy;
}

}  // namespace dng::train
