// The rule by which a training on the CPU changes parameters: train/sgd.h or train/adam.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "network/network.h"

namespace dng::train {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Before the first backward pass of an iteration: those add to the parameters' updates.
  virtual void begin() = 0;
  virtual void step(double rate, int batch) = 0;
};

// As the network's cfg has it. `updates`: made before.
std::unique_ptr<Optimizer> make_optimizer(network::Network* network, int64_t updates);

// Consecutive values of a parameter.
struct Slice {
  size_t parameter;
  int64_t first, count;
};
// All that learn, shared among the threads.
void for_slices(const std::vector<graph::Parameter>& parameters, const std::function<void(const Slice&)>& work);

}  // namespace dng::train
