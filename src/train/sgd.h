// SGD with momentum and weight decay, as Darknet computes it on the CPU, in one pass over all parameters.
#pragma once

#include <vector>

#include "train/optimizer.h"

namespace dng::train {

struct SgdSettings {
  double momentum = 0.9;
  double decay = 0.0001;
  bool nesterov = false;
};

// v holds momentum * (what it was) + the summed negative gradient of `batch` images, because backward passes add to it:
//   v <- v - decay batch w        (weights only)
//   w <- w + rate / batch v
//   v <- momentum v
// Nesterov takes the gradient plus momentum times v instead of v: (1 + momentum) v - v_before, with v_before as it was
// before the gradients were added.
class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<graph::Parameter>* parameters, const SgdSettings& settings);
  // Nesterov needs v as it was.
  void begin() override;
  void step(double rate, int batch) override;

 private:
  std::vector<graph::Parameter>* parameters_;
  SgdSettings settings_;
  std::vector<std::vector<float>> before_;
};

}  // namespace dng::train
