// A data set once through networks, in order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/stream.h"
#include "network/network.h"

namespace dng::eval {

// Sees every batch after it went through the networks.
using BatchSink = std::function<void(const data::Batch&, const graph::Pass&)>;

// The networks have the same input and batch. `threads` threads make images and go through the networks with them at
// once; where a network takes whole batches alone (Network::micro-batch), they make them ahead of it. `label` heads the
// progress line. Throws Interrupted after Ctrl-C.
void run_over(const std::vector<network::Network*>& networks, const data::Dataset& data, int threads,
              const std::string& label, const BatchSink& sink);

}  // namespace dng::eval
