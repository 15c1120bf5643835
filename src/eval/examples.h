// Example images with a network's top predictions.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "data/data_file.h"
#include "data/dataset.h"
#include "eval/accuracy.h"

namespace dng::eval {

// Indices of the images, chosen by their labels alone, so that they are the same for every network: the first image of
// every class, then the second, and so on; where not all classes fit, evenly spaced ones. In the order of label, then
// index; at most as many as the set has.
std::vector<int64_t> choose_examples(const data::Dataset& data, int classes, int64_t count);

class Examples {
 public:
  // k: predictions for each image.
  Examples(const data::Dataset& data, int classes, int64_t count, int k);
  // To be called for every batch of the set.
  void see(const data::Batch& batch, const float* probabilities);
  // After the last batch: DIR/000017.png for each image, then DIR/examples.json, which starts with `head`.
  void write(const std::string& folder, const data::DataFile& names, const graph::NetworkConfig& config,
             Json head) const;

 private:
  struct Example {
    int64_t index = 0;
    double label_probability = 0;
    std::vector<int> top;
    std::vector<double> probability;  // of `top`
  };
  const data::Dataset& data_;
  int classes_, k_;
  std::vector<Example> examples_;
  std::unordered_map<int64_t, size_t> place_;  // by index in the set
};

}  // namespace dng::eval
