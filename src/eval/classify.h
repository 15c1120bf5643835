// Classifies image files that have no labels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "network/network.h"

namespace dng::eval {

struct Answer {
  std::string path;
  const float* probabilities = nullptr;  // null: the image was not classified
  std::string error;                     // why
};
using AnswerSink = std::function<void(const Answer&)>;

// Gives an answer for each path, in their order. An image that cannot be decoded, or whose outputs are not finite, does
// not end the rest. See run_over, also for `label`.
void classify(network::Network* network, const std::vector<std::string>& paths, int threads, const std::string& label,
              const AnswerSink& sink);

// [{"class": 3, "name": "cat", "probability": 0.5}, ...] of the classes `top`; `probability` has one for each of them.
Json classes_json(const std::vector<int>& top, const std::vector<double>& probability,
                  const std::vector<std::string>& names);

}  // namespace dng::eval
