// What a backend makes of a network: passes over a batch, on one device.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/pass.h"

namespace dng::graph {

// Seconds spent in a layer since the network was made.
struct LayerTime {
  double forward = 0;
  double backward = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // network/network.h has what a pass does.
  virtual void forward(Pass* pass) = 0;
  virtual void backward(Pass* pass) = 0;
  // [batch][classes], after forward.
  virtual const float* probabilities() const = 0;
  virtual const float* logits(const Pass& pass) const = 0;
  // Between Darknet's parameters and those of the device.
  virtual void push() = 0;
  virtual void pull() = 0;
  // Bytes for activations and gradients.
  virtual size_t activation_bytes() const = 0;
  // Of training passes, by layer.
  std::vector<LayerTime>& times() { return times_; }

 protected:
  std::vector<LayerTime> times_;
};

}  // namespace dng::graph
