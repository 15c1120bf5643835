// An ensemble: the mean of the probabilities of several generations of one network.
#pragma once

#include <string>
#include <vector>

#include "eval/accuracy.h"

namespace dng::eval {

struct EnsembleResult {
  Accuracy ensemble;
  std::vector<std::string> weights;
  std::vector<Accuracy> members;
};

// Evaluates every member and the mean of their outputs over the same images.
EnsembleResult evaluate_ensemble(network::Network* network, const std::vector<std::string>& weights,
                                 const data::Dataset& data, int k, int threads);

}  // namespace dng::eval
