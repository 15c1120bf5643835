// A contiguous block of learnable values. `update` holds Darknet's combined gradient and momentum buffer: negative
// gradients, summed over the batch, are added to the momentum.
#pragma once

#include <cstdint>

namespace dng::graph {

struct Parameter {
  int layer = 0;
  const char* name = "";
  float* value = nullptr;
  float* update = nullptr;
  float* second = nullptr;  // Adam's second moment; null without adam=1
  int64_t count = 0;
  bool decays = false;    // weights do; biases and scales do not
  float rate_factor = 1;  // learning_rate= of the layer
  bool frozen = false;
};

}  // namespace dng::graph
