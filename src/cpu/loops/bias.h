// A bias for each channel on the CPU, in any layout: y = f(x + b), and its gradient, the sum of dy over the batch.
// Sums are made for each image and added in the order of cpu/shards.h, so that they do not depend on how the batch is
// cut or on the number of threads.
#pragma once

#include <vector>

#include "cpu/loops/row_math.h"
#include "graph/pass.h"
#include "host/host.h"

namespace dng::cpu {

class Bias {
 public:
  Bias(const host::Block& block, const Rows& rows, const Shards& shards);
  // In place, for `images` images.
  void apply(int images, math::Activation activation, float* x) const;
  // For all ranges of the batch, from several threads at once; then finish_gradient adds to the update.
  void gradient_sums(const graph::Range& range, const float* delta);
  void finish_gradient();

 private:
  host::Block block_;
  Rows rows_;
  Shards shards_;
  std::vector<double> partial_;  // [image][channel]
};

}  // namespace dng::cpu
