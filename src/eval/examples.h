// Example images and what a network says about them, for a reader to look at.
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

// Which images: chosen by their labels alone, so that every network shows the same ones. A round takes one image of
// every class that has one left, the first in the order of the set; the round that would take too many takes classes
// evenly spaced over those. In the order of label, then index; at most as many as the set has.
std::vector<int64_t> choose_examples(const data::Dataset& data, int classes, int64_t count);

class Examples {
 public:
  // k: how many classes are named for each image.
  Examples(const data::Dataset& data, int classes, int64_t count, int k);
  // To be called with every batch of a run over the set.
  void see(const data::Batch& batch, const float* probabilities);
  // Once all were seen: DIR/000017.png, one for each image, and then DIR/examples.json, which starts with `head`.
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
