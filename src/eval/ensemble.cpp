#include "eval/ensemble.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "base/error.h"
#include "network/weights.h"

namespace dng::eval {

EnsembleResult evaluate_ensemble(network::Network* network, const std::vector<std::string>& weights,
                                 const data::Dataset& data, int k, int threads) {
  const auto classes = static_cast<size_t>(network->classes());
  std::vector<double> sum(static_cast<size_t>(data.size()) * classes, 0.0);
  std::vector<int> labels(static_cast<size_t>(data.size()));
  EnsembleResult result;
  result.weights = weights;
  for (size_t m = 0; m < weights.size(); ++m) {
    network::load_weights(weights[m], network);
    network->freeze();
    size_t row = 0;
    const auto add = [&](const data::Batch& batch, const graph::Pass&) {
      const float* probabilities = network->probabilities();
      for (int b = 0; b < batch.count; ++b, ++row) {
        labels[row] = batch.labels[static_cast<size_t>(b)];
        for (size_t j = 0; j < classes; ++j)
          sum[row * classes + j] += probabilities[static_cast<size_t>(b) * classes + j];
      }
    };
    result.members.push_back(
        evaluate(network, data, k, threads, format("member %zu of %zu", m + 1, weights.size()), add));
  }
  Accuracy& ensemble = result.ensemble;
  ensemble.k = k;
  ensemble.classes = network->classes();
  for (size_t i = 0; i < labels.size(); ++i) {
    const double* scores = sum.data() + i * classes;
    if (!std::all_of(scores, scores + classes, [](double score) { return std::isfinite(score); })) {
      ensemble.count_not_finite(data.sample_name(static_cast<int64_t>(i)));
      continue;
    }
    ensemble.count(rank_of(scores, network->classes(), labels[i]));
    // Outputs are float32, so a mean can be zero; the smallest positive float keeps the loss finite.
    const double mean = scores[labels[i]] / static_cast<double>(weights.size());
    ensemble.loss -= std::log(std::max(mean, static_cast<double>(FLT_MIN)));
  }
  if (ensemble.not_finite > 0) ensemble.loss = std::nan("");
  ensemble.loss /= static_cast<double>(std::max<int64_t>(1, ensemble.images));
  return result;
}

}  // namespace dng::eval
