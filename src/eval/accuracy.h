// Accuracy and loss of a network over a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "data/stream.h"
#include "engine/network.h"

namespace dng {

struct Accuracy {
  int64_t images = 0;
  int k = 5;
  int64_t top1_count = 0, topk_count = 0;
  double loss = 0;  // mean cross entropy with the labels, in nats, whatever the cost

  double top1() const { return images > 0 ? static_cast<double>(top1_count) / static_cast<double>(images) : 0; }
  double topk() const { return images > 0 ? static_cast<double>(topk_count) / static_cast<double>(images) : 0; }
  // "top1 0.7234 top5 0.9123 loss 1.0234 images 10000"
  std::string line() const;
};

// Where the label stands among the scores: 0 for the largest; of equal scores the lower index comes first.
template <class Real>
int rank_of(const Real* scores, int classes, int label) {
  int rank = 0;
  for (int j = 0; j < classes; ++j) {
    if (scores[j] > scores[label] || (scores[j] == scores[label] && j < label)) ++rank;
  }
  return rank;
}

// Sees every batch with its probabilities [count][classes].
using ProbabilitySink = std::function<void(const Batch&, const float*)>;

// Runs the whole set once; `label` heads the progress line. Throws Interrupted after Ctrl-C.
Accuracy evaluate(Network* network, const Dataset& data, int k, int threads, const std::string& label,
                  const ProbabilitySink& sink = nullptr);

}  // namespace dng
