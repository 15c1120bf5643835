// Runs a data set once through networks, in order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/stream.h"
#include "network/network.h"

namespace dng::eval {

// Called for every batch after its forward passes.
using BatchSink = std::function<void(const data::Batch&, const graph::Pass&)>;

// The networks have the same input and batch. `threads` threads prepare images and run the networks on them while they
// are in the cache; a network that takes whole batches only (Network::micro_batch is 0) runs afterwards. `label` begins
// the progress line; none is shown without it. Throws Interrupted after Ctrl-C.
void run_over(const std::vector<network::Network*>& networks, const data::Dataset& data, int threads,
              const std::string& label, const BatchSink& sink);

}  // namespace dng::eval
