// Batch norm on the CPU for [batchnorm] and for the batch norm inside [convolutional] and [connected]: one formula, any
// layout, range by range of the batch. The formulas: math/batchnorm_formulas.h.
//
// Sums are made for each image and added in the order of cpu/shards.h, so that they do not depend on how the batch is
// cut or on the number of threads.
#pragma once

#include <vector>

#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/node.h"
#include "graph/pass.h"
#include "host/host.h"

namespace dng::cpu {

class BatchNorm {
 public:
  // The blocks of the layer: biases, scales, rolling mean, rolling variance. `rolling_rate` is Darknet's.
  BatchNorm(const std::vector<host::Block>& blocks, const Rows& rows, const Shards& shards, float rolling_rate);

  // Forward, in this order: add_statistics for all ranges, finish, apply for ranges as often as wanted. Only
  // add_statistics, apply, gradient_sums and gradient may run on several threads at once.
  // The channels below `first_channel` are left out: finish copies their statistics from `before`, a batch norm of the
  // same values.
  void add_statistics(const View& x, const graph::Range& range, int first_channel = 0);
  void finish(int64_t steps, const BatchNorm* before = nullptr, int first_channel = 0);
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
  // The constants of a row's channels in 16 lanes.
  const float* lanes(const std::vector<float>& per_channel, int row, float* buffer) const;

  Rows rows_;
  Shards shards_;
  int real_channels_;
  double rolling_rate_;
  host::Block bias_, scale_;
  float* rolling_mean_ = nullptr;
  float* rolling_variance_ = nullptr;
  std::vector<float> mean_, factor_, shift_;  // of the batch
  std::vector<double> variance_;
  std::vector<float> direct_, slope_, constant_;  // of the gradient
  std::vector<double> partial_, partial2_;        // [image][channel]
};

}  // namespace dng::cpu
