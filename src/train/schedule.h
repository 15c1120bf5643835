// The learning rate over time, and how long training lasts.
#pragma once

#include <cstdint>
#include <vector>

#include "cfg/options.h"

namespace dng::train {

// Built from [net] once the size of the training set is known, because epochs become batches.
//   constant  r
//   step      r scale^floor(t / step)
//   steps     r times every scale whose step <= t
//   exp       r gamma^t
//   poly      r (1 - t / max_batches)^power
//   sigmoid   r / (1 + exp(gamma (t - step)))
//   cosine    r (1 + cos(pi t / max_batches)) / 2
// with r = learning_rate and t the number of the batch, from 1 as in Darknet; for t < burn_in r (t / burn_in)^power.
class Schedule {
 public:
  // Throws Error where neither max_batches nor epochs is given.
  Schedule(const cfg::Options& net, int64_t samples, int batch);
  int64_t iterations() const { return iterations_; }
  // Epochs that so many iterations make.
  double epochs_at(int64_t iteration) const { return static_cast<double>(iteration) * batch_ / samples_; }
  // For the update of iteration `iteration` (0-based).
  double rate(int64_t iteration) const;

 private:
  enum class Policy { kConstant, kStep, kSteps, kExp, kPoly, kSigmoid, kCosine };
  Policy policy_;
  int64_t iterations_;
  int batch_;
  double samples_;
  double base_, power_, gamma_, scale_, step_, burn_in_;
  std::vector<double> steps_, scales_;
};

}  // namespace dng::train
