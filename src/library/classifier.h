// A network with its weights that classifies images from memory, on any number of threads at once.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "network/network.h"

namespace dng::library {

class Classifier {
 public:
  // `names`: a file with one name a line, or "".
  Classifier(const std::string& cfg, const std::string& weights, const std::string& names);

  const std::vector<std::string>& names() const { return names_; }
  // Fills `image` with image i; may throw.
  using Decode = std::function<void(size_t i, data::Image* image)>;
  void classify(size_t count, const Decode& decode, int threads, float* probabilities) const;

 private:
  class Work;
  std::unique_ptr<network::Network> make(int batch) const;
  const network::Network& many() const;

  graph::NetworkConfig config_;
  data::Augmentation augmentation_;
  std::vector<std::string> names_;
  std::unique_ptr<network::Network> one_;  // a single image at a time: the shortest wait
  // Several at a time, which takes less time for each; made when they are first wanted.
  mutable std::once_flag once_;
  mutable std::unique_ptr<network::Network> many_;
};

}  // namespace dng::library
