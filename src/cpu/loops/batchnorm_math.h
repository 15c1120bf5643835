// Batch norm on the CPU for [batchnorm] and for the batch norm inside [convolutional] and [connected]: one formula, any
// layout, range by range of the batch. The formulas: math/batchnorm_formulas.h.
//
// Sums are made for each image and added in the order of cpu/shards.h, so that they do not depend on how the batch is
// cut or on the number of threads.
#pragma once

#include <vector>

#include "base/group.h"
#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/node.h"
#include "graph/pass.h"
#include "host/host.h"

namespace dng::cpu {

class BatchNorm;

// The batch norms of a network that several processes train.
struct RankStatistics {
  Group* group = nullptr;        // the processes that share a mini-batch
  bool rolls = true;             // false: others have other mini-batches; who knows them all rolls the statistics
  std::vector<BatchNorm*> list;  // in the order of the layers
};

class BatchNorm {
 public:
  // The blocks of the layer: biases, scales, rolling mean, rolling variance. `rolling_rate` is Darknet's.
  BatchNorm(const std::vector<host::Block>& blocks, const Rows& rows, const Shards& shards, float rolling_rate,
            RankStatistics* ranks);
  // The list of ranks points to it.
  BatchNorm(const BatchNorm&) = delete;
  BatchNorm& operator=(const BatchNorm&) = delete;

  // Forward, in this order: add_statistics for all ranges, finish, apply for ranges as often as wanted. Only
  // add_statistics, apply, gradient_sums and gradient may run on several threads at once.
  // The channels below `first_channel` are left out: finish copies their statistics from `before`, a batch norm of the
  // same values.
  void add_statistics(const View& x, const graph::Range& range, int first_channel = 0);
  void finish(int64_t steps, const BatchNorm* before = nullptr, int first_channel = 0);
  // Moves the rolling statistics by those of a batch, [2][channels]: means, variances. finish does so by itself, unless
  // the ranks say otherwise.
  std::vector<float> batch_statistics() const;
  void roll(const float* statistics, int64_t steps);
  void apply(const View& x, int count, math::Activation activation, float* y) const;

  // Backward, in this order: gradient_sums over all ranges, finish_gradient, gradient.
  // delta: in, the gradient in y; out, that in f's argument.
  void gradient_sums(const View& x, const graph::Range& range, math::Activation activation, float* delta,
                     size_t delta_stride, Workspace* workspace);
  // Adds to the updates of biases and scales.
  void finish_gradient();
  // The gradient in x, written to dx (which may be delta) or added to it.
  void gradient(const View& x, const View& delta, int count, const Node::Place& dx) const;

  // Evaluation: y = f(x * factor + shift), with the rolling statistics, per channel.
  void fold(std::vector<float>* factor, std::vector<float>* shift) const;

 private:
  // Of the batch, for the channels from `first` on; squares are about the mean.
  struct Moments {
    std::vector<double> sums, squares;
  };
  Moments moments(int first) const;
  // Merges `count` of them, of `each` values, into the first.
  void merge(int count, double each, int first, Moments* moments) const;
  // The first row of sums, from all ranks that share the batch, one behind the other.
  std::vector<double> of_ranks(const std::vector<double>& sums) const;
  int rank_count() const { return ranks_ == nullptr ? 1 : ranks_->group->size(); }
  double values() const { return static_cast<double>(rows_.space) * shards_.batch() * rank_count(); }  // of a channel
  // The constants of a row's channels in 16 lanes.
  const float* lanes(const std::vector<float>& per_channel, int row, float* buffer) const;

  Rows rows_;
  Shards shards_;
  int real_channels_;
  double rolling_rate_;
  RankStatistics* ranks_;
  host::Block bias_, scale_;
  float* rolling_mean_ = nullptr;
  float* rolling_variance_ = nullptr;
  std::vector<float> mean_, factor_, shift_;  // of the batch
  std::vector<double> variance_;
  std::vector<float> direct_, slope_, constant_;  // of the gradient
  std::vector<double> partial_, partial2_;        // [image][channel]
};

}  // namespace dng::cpu
