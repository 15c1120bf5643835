#include "gpu/kernel.h"

namespace dng::gpu {
namespace {

size_t floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

}  // namespace

Node* node_of(const graph::Edge& edge) { return static_cast<Node*>(edge.node); }

Node::Node() = default;
Node::~Node() = default;

graph::Kernel& Node::graph_kernel() const { return *kernel; }

size_t Node::output_floats() const { return floats(size() * bytes_of(type)); }

bool Node::same_memory(const graph::Node& other) const {
  const auto& node = static_cast<const Node&>(other);
  return size() == node.size() && type == node.type;
}

graph::Role Kernel::training_role(const graph::Node& node) const {
  const Needs needs = this->needs(static_cast<const Node&>(node));
  graph::Role role;
  role.gradient_in_forward = needs.gradient_in_forward;
  role.reads_input = needs.reads_input;
  role.reads_output = needs.reads_output;
  role.saved = floats(needs.saved);
  return role;
}

}  // namespace dng::gpu
