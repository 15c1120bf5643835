// A network in plain double precision: the formulas of the layers' headers, one loop each, sharing nothing with the
// kernels under test but the cfg's shapes and the maths of the costs (layers/costs/). It has no backward pass;
// its gradients are differences of its loss.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "graph/network_config.h"

namespace dng::test {

// What a network is shown.
struct ReferenceBatch {
  std::vector<double> images;   // [batch][channels][height][width]
  std::vector<int> labels;      // [batch]
  std::vector<double> teacher;  // [batch][classes], for [distill]
};

class ReferenceNetwork {
 public:
  // Throws std::runtime_error for a layer that has no formula here (dropout among them: it is random).
  explicit ReferenceNetwork(const graph::NetworkConfig& config);

  // How many parameters there are; their order is that of Network::parameters().
  size_t parameter_count() const { return parameter_count_; }
  // The cost in training (batch norm by the batch's statistics), summed over the batch.
  double loss(const std::vector<double>& parameters, const ReferenceBatch& batch);

  // Of the last loss(): a layer's output; the probabilities.
  const std::vector<double>& output(int layer) const { return outputs_[static_cast<size_t>(layer)]; }
  // Of the last loss(): a hash that changes when any activation, pooling window or ranking takes another branch.
  uint64_t branches() const { return branches_; }

  // Batch norm's derivative, from the values of the last loss() on. The hosts differentiate the variance as if it were
  // divided by N; differences show the same where the variance moves by (N - 1) / N of what it should.
  enum class Derivative { kExact, kHost };
  void differentiate(Derivative derivative);
  bool normalizes() const;  // has batch norm

  // From now on `layer` sees its source number `source` as it was in the last loss(): an edge without a gradient.
  void detach(int layer, int source);
  void attach_all() { detached_.clear(); }

 private:
  struct Span {
    size_t bias = 0, scale = 0, weights = 0;  // where a layer's parameters start
  };
  const std::vector<double>& input(const graph::LayerConfig& layer, int source, const ReferenceBatch& batch) const;
  void run(const graph::LayerConfig& layer, const std::vector<double>& parameters, const ReferenceBatch& batch,
           std::vector<double>* out);
  double cost(const graph::LayerConfig& layer, const ReferenceBatch& batch, std::vector<double>* probabilities);
  void note(uint64_t branch) { branches_ = (branches_ ^ branch) * 1099511628211ULL; }
  void activate(const graph::LayerConfig& layer, std::vector<double>* values);
  void normalize(const graph::LayerConfig& layer, const double* bias, const double* scale, std::vector<double>* x);

  graph::NetworkConfig config_;
  std::vector<Span> spans_;
  size_t parameter_count_ = 0;
  std::vector<std::vector<double>> outputs_;
  std::map<std::pair<int, int>, std::vector<double>> detached_;
  std::vector<std::vector<double>> variances_, held_variances_;  // of each layer; held: kHost's starting point
  uint64_t branches_ = 0;
};

}  // namespace dng::test
