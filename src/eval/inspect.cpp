#include "eval/inspect.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

namespace dng::eval {
namespace {

constexpr int kBins = 15;

double distance(const double* a, const double* b, size_t n) {
  double sum = 0;
  for (size_t j = 0; j < n; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(sum);
}

double ratio(double sum, double count) { return count > 0 ? sum / count : std::nan(""); }

size_t top_of(const float* f, size_t classes) { return static_cast<size_t>(std::max_element(f, f + classes) - f); }

// What the network makes of its teacher, image by image.
class Agreement {
 public:
  Agreement(const network::Network* network, const network::Network* teacher)
      : network_(network), teacher_(teacher), student_row_(network->classes()), teacher_row_(network->classes()) {}

  void see(const data::Batch& batch, const graph::Pass& pass) {
    const auto classes = static_cast<size_t>(network_->classes());
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      const size_t row = b * classes;
      agreed_ += top_of(network_->probabilities() + row, classes) == top_of(teacher_->probabilities() + row, classes);
      student_row_.compute(network_->logits(pass) + row);
      teacher_row_.compute(teacher_->logits(pass) + row);
      for (size_t j = 0; j < classes; ++j) {
        divergence_ += teacher_row_.f[j] * (teacher_row_.log_f[j] - student_row_.log_f[j]);
      }
    }
  }
  double agreed() const { return agreed_; }
  double divergence() const { return divergence_; }

 private:
  const network::Network* network_;
  const network::Network* teacher_;
  LogSoftmax student_row_, teacher_row_;
  double agreed_ = 0, divergence_ = 0;
};

}  // namespace

Inspection inspect(network::Network* network, const data::Dataset& data, const InspectSettings& settings) {
  const std::vector<int>& superclass_of = settings.superclass_of;
  const auto classes = static_cast<size_t>(network->classes());
  const size_t ranks = std::min(static_cast<size_t>(std::max(settings.k, 2)), classes);
  Inspection result;
  result.mean_by_rank.assign(ranks, 0);
  result.bins.resize(kBins);
  std::vector<double> mu(classes * classes, 0), images_of(classes, 0);
  std::vector<float> sorted;
  double inside = 0, outside_primary = 0;
  std::optional<Agreement> agreement;
  std::vector<network::Network*> beside;
  if (settings.teacher != nullptr) {
    agreement.emplace(network, settings.teacher);
    beside = {settings.teacher};
  }

  const auto see = [&](const data::Batch& batch, const graph::Pass& pass) {
    const float* probabilities = network->probabilities();
    for (int b = 0; b < batch.count; ++b) {
      const float* f = probabilities + static_cast<size_t>(b) * classes;
      const auto label = static_cast<size_t>(batch.labels[static_cast<size_t>(b)]);
      const size_t primary = top_of(f, classes);
      images_of[label] += 1;
      result.mean_true += f[label];
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
    if (agreement) agreement->see(batch, pass);
    if (settings.sink) settings.sink(batch, pass);
  };
  result.accuracy = evaluate(network, data, settings.k, settings.threads, "inspect", see, beside);

  const auto images = static_cast<double>(result.accuracy.images);
  for (double& mean : result.mean_by_rank) mean /= images;
  result.mean_primary = result.mean_by_rank[0];
  for (size_t r = 1; r < ranks; ++r) result.mean_rank_2_k += result.mean_by_rank[r];
  result.mean_rank_2_k /= static_cast<double>(ranks - 1);
  result.mean_true /= images;
  result.entropy /= images;
  result.teacher_agreement = agreement ? agreement->agreed() / images : std::nan("");
  result.teacher_kl = agreement ? agreement->divergence() / images : std::nan("");
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

}  // namespace dng::eval
