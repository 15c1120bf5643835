#include "train/optimizer.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "train/adam.h"
#include "train/sgd.h"

namespace dng::train {
namespace {

// Small enough that the threads share large parameters, large enough to make scheduling negligible.
constexpr int64_t kSlice = int64_t{1} << 15;

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(network::Network* network, int64_t updates) {
  const cfg::Options& net = network->config().net;
  std::vector<graph::Parameter>* parameters = &network->parameters();
  if (net.flag("adam")) {
    return std::make_unique<Adam>(parameters, adam_settings(net), net.real("decay"), updates);
  }
  return std::make_unique<Sgd>(parameters, SgdSettings{net.real("momentum"), net.real("decay"), net.flag("nesterov")});
}

void for_slices(const std::vector<graph::Parameter>& parameters, const std::function<void(const Slice&)>& work) {
  std::vector<Slice> slices;
  for (size_t k = 0; k < parameters.size(); ++k) {
    const graph::Parameter& p = parameters[k];
    for (int64_t first = 0; !p.frozen && first < p.count; first += kSlice) {
      slices.push_back({k, first, std::min(kSlice, p.count - first)});
    }
  }
  cpu::for_tasks(static_cast<int>(slices.size()),
                 [&](int i, cpu::Workspace&) { work(slices[static_cast<size_t>(i)]); });
}

}  // namespace dng::train
