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
//   random    r u^power, u uniform in 0..1 for every batch
//   sgdr      m + (r - m) (1 + cos(pi (t - s) / c)) / 2, m = learning_rate_min; the first cycle has s = 0 and
//             c = sgdr_cycle (default: max_batches); where s + c < t the next begins: s += c, c *= sgdr_mult
// with r = learning_rate and t the number of the batch, from 1 as in Darknet; for t < burn_in r (t / burn_in)^power.
class Schedule {
 public:
  // Without epochs, and with max_batches=0 or none, training has no end. The seed is that of policy=random.
  Schedule(const cfg::Options& net, int64_t samples, int batch, uint64_t seed = 0);
  int64_t iterations() const { return iterations_; }  // more than anybody makes, where there is no end
  bool endless() const { return iterations_ == kEndless; }
  // Epochs that so many iterations make.
  double epochs_at(int64_t iteration) const { return static_cast<double>(iteration) * batch_ / samples_; }
  // Share of the training that is done then; 1 where it has no end.
  double progress_at(int64_t iteration) const {
    return endless() ? 1 : static_cast<double>(iteration) / static_cast<double>(iterations_);
  }
  // For the update of iteration `iteration` (0-based).
  double rate(int64_t iteration) const;

 private:
  static constexpr int64_t kEndless = int64_t{1} << 40;
  enum class Policy { kConstant, kStep, kSteps, kExp, kPoly, kSigmoid, kCosine, kRandom, kSgdr };
  Policy policy_;
  int64_t iterations_;
  int batch_;
  double samples_;
  uint64_t seed_;
  double base_, power_, gamma_, scale_, step_, burn_in_;
  double least_, cycle_, cycle_factor_;  // of sgdr
  std::vector<double> steps_, scales_;
};

}  // namespace dng::train
