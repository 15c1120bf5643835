// A data set once through networks, in order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/stream.h"
#include "engine/network.h"

namespace dng {

// Sees every batch after it went through the networks.
using BatchSink = std::function<void(const Batch&, const Pass&)>;

// The networks have the same input and batch. `threads` threads make images and go through the networks with them at
// once; where a network takes whole batches alone (Network::piece), they make them ahead of it. `label` heads the
// progress line. Throws Interrupted after Ctrl-C.
void run_over(const std::vector<Network*>& networks, const Dataset& data, int threads, const std::string& label,
              const BatchSink& sink);

}  // namespace dng
