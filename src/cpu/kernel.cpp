#include "cpu/kernel.h"

namespace dng::cpu {

graph::Role Kernel::training_role(const graph::Node& node) const {
  graph::Role made = role(static_cast<const Node&>(node));
  made.saved *= static_cast<size_t>(node.batch);
  return made;
}

void DarknetKernel::forward(const Node& node, graph::Pass& pass) {
  node.host->forward(node.index, node.input(pass), pass.training, pass.steps);
}

void DarknetKernel::backward(const Node& node, graph::Pass& pass) {
  const bool alone = node.sources[0].gradient == graph::Gradient::kOverwrite;
  node.host->backward(node.index, node.input(pass), node.input_delta(), alone);
}

std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config) {
  std::unique_ptr<graph::Kernel> kernel = config.op->cpu_kernel ? config.op->cpu_kernel(config) : nullptr;
  if (kernel == nullptr) return std::make_unique<DarknetKernel>();
  return std::unique_ptr<Kernel>(static_cast<Kernel*>(kernel.release()));
}

}  // namespace dng::cpu
