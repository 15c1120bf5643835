// The parameters of a network that only evaluates, without Darknet: it would draw initial weights and allocate
// gradients, which takes longer than to read the weights.
#pragma once

#include <cstdlib>
#include <memory>

#include "graph/network_config.h"
#include "host/host.h"

namespace dng::network {

struct Free {
  void operator()(float* memory) const { std::free(memory); }
};
using OwnMemory = std::unique_ptr<float[], Free>;

// The blocks that Darknet's layers would have, without updates; zeros in `memory`.
host::Blocks own_blocks(const graph::NetworkConfig& config, OwnMemory* memory);

}  // namespace dng::network
