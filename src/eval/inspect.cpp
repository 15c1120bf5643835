#include "eval/inspect.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "base/finite.h"

namespace dng::eval {
namespace {

constexpr int kBins = 15;

double ratio(double sum, double count) { return count > 0 ? sum / count : std::nan(""); }

size_t top_of(const float* f, size_t classes) { return static_cast<size_t>(std::max_element(f, f + classes) - f); }

// The network beside its teacher, image by image.
class Agreement {
 public:
  Agreement(const network::Network* network, const network::Network* teacher, const data::Dataset& data)
      : network_(network), teacher_(teacher), data_(data), student_row_(*network), teacher_row_(*teacher) {}

  void see(const data::Batch& batch, const graph::Pass& pass) {
    const auto classes = static_cast<size_t>(network_->classes());
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      const size_t row = b * classes;
      if (!all_finite(teacher_->probabilities() + row, classes)) {
        if (++not_finite_ == 1) first_not_finite_ = data_.sample_name(batch.samples[b]);
        continue;
      }
      if (!all_finite(network_->probabilities() + row, classes)) continue;
      ++images_;
      agreed_ += top_of(network_->probabilities() + row, classes) == top_of(teacher_->probabilities() + row, classes);
      student_row_.compute(network_->logits(pass) + row);
      teacher_row_.compute(teacher_->logits(pass) + row);
      for (size_t j = 0; j < classes; ++j) {
        divergence_ += teacher_row_.f[j] * (teacher_row_.log_f[j] - student_row_.log_f[j]);
      }
    }
  }
  void finish(Inspection* result) const {
    result->teacher_agreement = ratio(agreed_, images_);
    result->teacher_kl = ratio(divergence_, images_);
    result->teacher_not_finite = not_finite_;
    result->teacher_first_not_finite = first_not_finite_;
  }

 private:
  const network::Network* network_;
  const network::Network* teacher_;
  const data::Dataset& data_;
  LogSoftmax student_row_, teacher_row_;
  double images_ = 0, agreed_ = 0, divergence_ = 0;
  int64_t not_finite_ = 0;
  std::string first_not_finite_;
};

// Sums over the images, and their means.
class Inspector {
 public:
  Inspector(int classes, const InspectSettings& settings)
      : superclass_of_(settings.superclass_of),
        classes_(static_cast<size_t>(classes)),
        ranks_(std::min(static_cast<size_t>(std::max(settings.k, 2)), classes_)),
        mu_(classes_ * classes_),
        images_of_(classes_) {
    result_.mean_by_rank.assign(ranks_, 0);
    result_.bins.resize(kBins);
  }

  void see(const float* f, size_t label) {
    if (!all_finite(f, classes_)) return;
    const size_t primary = top_of(f, classes_);
    images_of_[label] += 1;
    result_.mean_true += f[label];
    for (size_t j = 0; j < classes_; ++j) {
      mu_[label * classes_ + j] += f[j];
      if (f[j] > 0) result_.entropy -= static_cast<double>(f[j]) * std::log(static_cast<double>(f[j]));
      if (j == primary) continue;
      outside_primary_ += f[j];
      if (!superclass_of_.empty() && superclass_of_[j] == superclass_of_[label]) inside_ += f[j];
    }
    sorted_.assign(f, f + classes_);
    std::partial_sort(sorted_.begin(), sorted_.begin() + static_cast<long>(ranks_), sorted_.end(), std::greater<>());
    for (size_t r = 0; r < ranks_; ++r) result_.mean_by_rank[r] += sorted_[r];
    const int index = std::clamp(static_cast<int>(f[primary] * kBins), 0, kBins - 1);
    Inspection::Bin& bin = result_.bins[static_cast<size_t>(index)];
    ++bin.images;
    bin.confidence += f[primary];
    bin.accuracy += primary == label ? 1 : 0;
  }

  Inspection finish(const Accuracy& accuracy) {
    result_.accuracy = accuracy;
    const auto images = static_cast<double>(accuracy.images - accuracy.not_finite);
    for (double& mean : result_.mean_by_rank) mean = ratio(mean, images);
    result_.mean_primary = result_.mean_by_rank[0];
    for (size_t r = 1; r < ranks_; ++r) result_.mean_rank_2_k += result_.mean_by_rank[r];
    result_.mean_rank_2_k /= static_cast<double>(ranks_ - 1);
    result_.mean_true = ratio(result_.mean_true, images);
    result_.entropy = ratio(result_.entropy, images);
    result_.inside_superclass = superclass_of_.empty() ? std::nan("") : ratio(inside_, outside_primary_);
    for (Inspection::Bin& bin : result_.bins) {
      if (bin.images == 0) continue;
      const auto count = static_cast<double>(bin.images);
      bin.confidence /= count;
      bin.accuracy /= count;
      result_.calibration_error += count / images * std::fabs(bin.confidence - bin.accuracy);
    }
    if (images == 0) result_.calibration_error = std::nan("");
    compare_classes();
    return result_;
  }

 private:
  double distance(size_t a, size_t b) const {
    double sum = 0;
    for (size_t j = 0; j < classes_; ++j) {
      const double difference = mu_[a * classes_ + j] - mu_[b * classes_ + j];
      sum += difference * difference;
    }
    return std::sqrt(sum);
  }

  void compare_classes() {
    for (size_t i = 0; i < mu_.size(); ++i) mu_[i] /= std::max(1.0, images_of_[i / classes_]);
    double between = 0, within = 0, all = 0, between_pairs = 0, within_pairs = 0, pairs = 0;
    for (size_t a = 0; a < classes_; ++a) {
      for (size_t b = a + 1; b < classes_; ++b) {
        if (images_of_[a] == 0 || images_of_[b] == 0) continue;
        const double d = distance(a, b);
        all += d;
        pairs += 1;
        if (superclass_of_.empty()) continue;
        const bool same = superclass_of_[a] == superclass_of_[b];
        (same ? within : between) += d;
        (same ? within_pairs : between_pairs) += 1;
      }
    }
    result_.dist_all = ratio(all, pairs);
    result_.dist_between = ratio(between, between_pairs);
    result_.dist_within = ratio(within, within_pairs);
  }

  const std::vector<int>& superclass_of_;
  size_t classes_, ranks_;
  std::vector<double> mu_, images_of_;  // sum, then mean, of the outputs of each class; its images
  std::vector<float> sorted_;
  double inside_ = 0, outside_primary_ = 0;
  Inspection result_;
};

}  // namespace

Inspection inspect(network::Network* network, const data::Dataset& data, const InspectSettings& settings) {
  const auto classes = static_cast<size_t>(network->classes());
  const bool teacher = settings.teacher != nullptr;
  Inspector inspector(network->classes(), settings);
  std::optional<Agreement> agreement;
  if (teacher) agreement.emplace(network, settings.teacher, data);
  const auto see = [&](const data::Batch& batch, const graph::Pass& pass) {
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      inspector.see(network->probabilities() + b * classes, static_cast<size_t>(batch.labels[b]));
    }
    if (teacher) agreement->see(batch, pass);
    if (settings.sink) settings.sink(batch, pass);
  };
  std::vector<network::Network*> beside;
  if (teacher) beside.push_back(settings.teacher);
  Inspection result = inspector.finish(evaluate(network, data, settings.k, settings.threads, "inspect", see, beside));
  if (teacher) agreement->finish(&result);
  return result;
}

}  // namespace dng::eval
