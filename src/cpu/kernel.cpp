#include "cpu/kernel.h"

namespace dng::cpu {

graph::Role Kernel::training_role(const graph::Node& node) const {
  graph::Role made = role(static_cast<const Node&>(node));
  made.saved *= static_cast<size_t>(node.batch);
  return made;
}

std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config) {
  return std::unique_ptr<Kernel>(static_cast<Kernel*>(config.op->cpu_kernel(config).release()));
}

}  // namespace dng::cpu
