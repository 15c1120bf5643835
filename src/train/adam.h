// Adam (Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015), as both Darknets compute it on a GPU; on a
// CPU they train with SGD instead.
//
// With d the negative gradient, summed over the images of the batch (not divided by their number), m and v zero before
// the first update, and t the number of the update, from 1:
//   d <- d - decay batch w
//   m <- B1 m + (1 - B1) d
//   v <- B2 v + (1 - B2) d^2
//   w <- w + rate (m / (1 - B1^t)) / (sqrt(v / (1 - B2^t)) + eps)
// for weights, biases and scales alike. Darknet counts t anew in every process (packaged), or from the images that the
// weights have seen (AlexeyAB's); here it counts the updates that are in m and v.
#pragma once

#include <vector>

#include "cfg/options.h"
#include "math/adam_math.h"
#include "train/optimizer.h"

namespace dng::train {

// Of [net].
math::AdamSettings adam_settings(const cfg::Options& net);

// Between two updates m is in the parameters' `update`, v in their `second`.
class Adam final : public Optimizer {
 public:
  Adam(std::vector<graph::Parameter>* parameters, const math::AdamSettings& settings, double decay, int64_t updates);
  // Backward passes add to the updates, so m goes elsewhere.
  void begin() override;
  void step(double rate, int batch) override;

 private:
  std::vector<graph::Parameter>* parameters_;
  math::AdamSettings settings_;
  double decay_;
  int64_t updates_;
  std::vector<std::vector<float>> means_;
};

}  // namespace dng::train
