// Batch norm on the CPU for [batchnorm] and for the batch norm inside [convolutional]: one formula, any layout.
//   training    y = f((x - mean) / divisor(v) * scale + bias), with the batch's mean and its unbiased variance v
//   evaluation  the same with the rolling statistics; divisor(v) is the host's, see host::BatchNormRules
// The rolling statistics move by max(host's rate, 1 / (steps + 1)) of each batch.
// Backward is the host's formula: 1 / sqrt(v + 1e-5), and sums divided by N rather than N - 1, which differs from the
// exact derivative by O(1/N).
#pragma once

#include <vector>

#include "engine/cpu/row_math.h"
#include "engine/kernel.h"
#include "engine/layout.h"

namespace dng {

class BatchNorm {
 public:
  // The blocks of the layer: biases, scales, rolling mean, rolling variance. `rolling_rate` is the host's.
  BatchNorm(const std::vector<host::Block>& blocks, const Rows& rows, float rolling_rate);

  // x and y are tensors of `rows`; they may be the same only at evaluation, because backward needs x.
  void forward(const float* x, const Pass& pass, Activation activation, float* y);
  // delta: gradient in f's argument on the way in, in x on the way out. Adds to the updates of biases and scales.
  void backward(const float* x, float* delta);

 private:
  void measure(const float* x, int64_t steps);
  // The constants of a row's channels in 16 lanes.
  const float* lanes(const std::vector<float>& per_channel, int row, float* buffer) const;

  Rows rows_;
  double rolling_rate_;
  host::Block bias_, scale_;
  float* rolling_mean_ = nullptr;
  float* rolling_variance_ = nullptr;
  std::vector<float> mean_, variance_;
  std::vector<float> a_, b_, c_;            // constants of a pass, per channel
  std::vector<double> partial_, partial2_;  // [image][channel]
};

}  // namespace dng
