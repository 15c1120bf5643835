#include "cpu/kernel.h"

#include "base/error.h"
#include "base/text.h"

namespace dng::cpu {

graph::Role Kernel::training_role(const graph::Node& node) const {
  graph::Role made = role(static_cast<const Node&>(node));
  made.saved *= static_cast<size_t>(node.batch);
  return made;
}

void Kernel::compute(const Node&, const graph::Pass&, const graph::Range&, float*, Workspace*) {}

void Kernel::backward_epilogue(Node&, const graph::Pass&, const graph::Range&, Workspace*) {}

void HostKernel::forward(Node& node, graph::Pass& pass) {
  node.host->forward(node.index, node.input(pass), pass.training, pass.steps);
}

void HostKernel::backward(Node& node, graph::Pass& pass) {
  node.host->backward(node.index, node.input(pass), node.input_delta(), node.sources[0].first);
}

void HostKernel::infer(const Node&, int, const View*, float*, size_t, Workspace*) {
  fail("internal error: Darknet's kernels run whole batches only");
}

std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config, graph::Device device) {
  const auto found = config.op->kernels.find(device);
  if (found != config.op->kernels.end()) {
    return std::unique_ptr<Kernel>(static_cast<Kernel*>(found->second(config).release()));
  }
  if (device == graph::Device::kCpu) return std::make_unique<HostKernel>();
  graph::fail_no_kernel(config, device);
}

}  // namespace dng::cpu
