// Accuracy and loss of a network over a data set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/run_over.h"

namespace dng::eval {

struct Accuracy {
  int64_t images = 0;
  int k = 5;
  int64_t top1_count = 0, topk_count = 0;
  double loss = 0;  // mean cross entropy with the labels, in nats, whatever the cost

  void count(int rank) {
    ++images;
    top1_count += rank < 1 ? 1 : 0;
    topk_count += rank < k ? 1 : 0;
  }
  double top1() const { return images > 0 ? static_cast<double>(top1_count) / static_cast<double>(images) : 0; }
  double topk() const { return images > 0 ? static_cast<double>(topk_count) / static_cast<double>(images) : 0; }
  // "top1 0.7234 top5 0.9123 loss 1.0234 images 10000"
  std::string line() const;
};

// top1, topk, k, top<k>, loss, images, top1_count, topk_count.
Json accuracy_json(const Accuracy& accuracy);

// The label's rank among the scores: 0 for the largest; of equal scores the lower index comes first.
template <class Real>
int rank_of(const Real* scores, int classes, int label) {
  int rank = 0;
  for (int j = 0; j < classes; ++j) {
    if (scores[j] > scores[label] || (scores[j] == scores[label] && j < label)) ++rank;
  }
  return rank;
}

// The first k classes by their scores, most probable first; ties as in rank_of.
std::vector<int> top_classes(const float* scores, int classes, int k);

// log f and f of a row of a network's logits, in double precision.
struct LogSoftmax {
  explicit LogSoftmax(const network::Network& network);
  void compute(const float* logits);
  double temperature;
  std::vector<double> z, log_f, f;
};

// Runs the set through `network` and the networks `beside` it, and evaluates `network`.
Accuracy evaluate(network::Network* network, const data::Dataset& data, int k, int threads, const std::string& label,
                  const BatchSink& sink = nullptr, const std::vector<network::Network*>& beside = {});

}  // namespace dng::eval
