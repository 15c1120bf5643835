// The gradients of all ranks' mini-batches in every rank's parameters. Each rank adds a slice of them: all-to-all, sums
// (train/ranks.h), and a gather at the end of an update.
#pragma once

#include <vector>

#include "network/network.h"
#include "train/ranks.h"

namespace dng::train {

class GradientExchange {
 public:
  GradientExchange(network::Network* network, const Ranks& ranks);
  // Before the first backward pass of an update, which then find updates without momentum.
  void begin();
  // After a backward pass on every rank.
  void add();
  // After the last one: the updates are momentum and all gradients.
  void finish();

 private:
  // Calls visit(values of an update, where they are in `all_`, number).
  template <class Visit>
  void for_updates(const Visit& visit) {
    size_t at = 0;
    for (const graph::Parameter& p : network_->parameters()) {
      visit(p.update, all_.data() + at, static_cast<size_t>(p.count));
      at += static_cast<size_t>(p.count);
    }
  }
  void clear_updates();

  network::Network* network_;
  const Ranks& ranks_;
  size_t slice_;
  std::vector<float> all_;     // the updates, one behind the other
  std::vector<float> slices_;  // this rank's slice from every rank
  std::vector<float> sum_;     // of this rank's slice
};

}  // namespace dng::train
