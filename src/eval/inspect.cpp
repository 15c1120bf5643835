#include "eval/inspect.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace dng {
namespace {

constexpr int kBins = 15;

double distance(const double* a, const double* b, size_t n) {
  double sum = 0;
  for (size_t j = 0; j < n; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(sum);
}

double ratio(double sum, double count) { return count > 0 ? sum / count : std::nan(""); }

}  // namespace

Inspection inspect(Network* network, const Dataset& data, const std::vector<int>& superclass_of, int k, int threads) {
  const auto classes = static_cast<size_t>(network->classes());
  const size_t ranks = std::min(static_cast<size_t>(std::max(k, 2)), classes);
  Inspection result;
  result.mean_by_rank.assign(ranks, 0);
  result.bins.resize(kBins);
  std::vector<double> mu(classes * classes, 0), images_of(classes, 0);
  std::vector<float> sorted;
  double inside = 0, outside_primary = 0;

  const auto see = [&](const Batch& batch, const float* probabilities) {
    for (int b = 0; b < batch.count; ++b) {
      const float* f = probabilities + static_cast<size_t>(b) * classes;
      const auto label = static_cast<size_t>(batch.labels[static_cast<size_t>(b)]);
      const auto primary = static_cast<size_t>(std::max_element(f, f + classes) - f);
      images_of[label] += 1;
      for (size_t j = 0; j < classes; ++j) {
        mu[label * classes + j] += f[j];
        if (f[j] > 0) result.entropy -= static_cast<double>(f[j]) * std::log(static_cast<double>(f[j]));
        if (j == primary) continue;
        outside_primary += f[j];
        if (!superclass_of.empty() && superclass_of[j] == superclass_of[label]) inside += f[j];
      }
      sorted.assign(f, f + classes);
      std::partial_sort(sorted.begin(), sorted.begin() + static_cast<long>(ranks), sorted.end(), std::greater<>());
      for (size_t r = 0; r < ranks; ++r) result.mean_by_rank[r] += sorted[r];
      const int index = std::clamp(static_cast<int>(f[primary] * kBins), 0, kBins - 1);
      Inspection::Bin& bin = result.bins[static_cast<size_t>(index)];
      ++bin.images;
      bin.confidence += f[primary];
      bin.accuracy += primary == label ? 1 : 0;
    }
  };
  result.accuracy = evaluate(network, data, k, threads, "inspect", see);

  const auto images = static_cast<double>(result.accuracy.images);
  for (double& mean : result.mean_by_rank) mean /= images;
  result.mean_primary = result.mean_by_rank[0];
  for (size_t r = 1; r < ranks; ++r) result.mean_rank_2_k += result.mean_by_rank[r];
  result.mean_rank_2_k /= static_cast<double>(ranks - 1);
  result.entropy /= images;
  result.inside_superclass = superclass_of.empty() ? std::nan("") : ratio(inside, outside_primary);
  for (Inspection::Bin& bin : result.bins) {
    if (bin.images == 0) continue;
    bin.confidence /= static_cast<double>(bin.images);
    bin.accuracy /= static_cast<double>(bin.images);
    result.calibration_error += static_cast<double>(bin.images) / images * std::fabs(bin.confidence - bin.accuracy);
  }
  double between = 0, within = 0, all = 0, between_pairs = 0, within_pairs = 0, pairs = 0;
  for (size_t c = 0; c < classes; ++c) {
    for (size_t j = 0; j < classes; ++j) mu[c * classes + j] /= std::max(1.0, images_of[c]);
  }
  for (size_t a = 0; a < classes; ++a) {
    for (size_t b = a + 1; b < classes; ++b) {
      if (images_of[a] == 0 || images_of[b] == 0) continue;
      const double d = distance(&mu[a * classes], &mu[b * classes], classes);
      all += d;
      pairs += 1;
      if (superclass_of.empty()) continue;
      const bool same = superclass_of[a] == superclass_of[b];
      (same ? within : between) += d;
      (same ? within_pairs : between_pairs) += 1;
    }
  }
  result.dist_all = ratio(all, pairs);
  result.dist_between = ratio(between, between_pairs);
  result.dist_within = ratio(within, within_pairs);
  return result;
}

}  // namespace dng
