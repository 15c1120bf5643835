#include "cpu/node.h"

#include <cstring>

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

void add(const float* from, size_t size, const graph::Range& range, const Node& to, bool overwrite) {
  for (int i = 0; i < range.count; ++i) {
    const float* image = from + static_cast<size_t>(i) * size;
    float* target = to.delta + static_cast<size_t>(range.first + i) * to.stride;
    if (overwrite) {
      std::memcpy(target, image, size * sizeof(float));
    } else {
      row_accumulate(image, size, target);
    }
  }
}

}  // namespace

Node* node_of(const graph::Edge& edge) { return static_cast<Node*>(edge.node); }

Node::Node() = default;
Node::~Node() = default;

graph::Kernel& Node::graph_kernel() const { return *kernel; }

bool Node::same_memory(const graph::Node& other) const {
  const auto& node = static_cast<const Node&>(other);
  return out_size() == node.out_size() && layout == node.layout && stride == node.stride;
}

View Node::view(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  Node* source = this->source(slot);
  if (source == nullptr) {
    const size_t size = config->in.size();
    return {pass.input + range.offset(size), size};
  }
  const bool there =
      source->storage == graph::Storage::kStored || (source->storage == graph::Storage::kFirstRead && source->ready);
  if (there) return {source->output + range.offset(source->stride), source->stride};
  const bool store = source->storage == graph::Storage::kFirstRead;
  const size_t stride = store ? source->stride : source->out_size();
  float* to = store ? source->output + range.offset(stride)
                    : workspace->take(static_cast<size_t>(range.count) * source->out_size());
  source->kernel->compute(*source, pass, range, to, workspace);
  return {to, stride};
}

const float* Node::read(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  const View found = view(slot, pass, range, workspace);
  const Node* source = this->source(slot);
  if (source == nullptr || found.stride == source->out_size()) return found.data;
  const size_t size = source->out_size();
  float* dense = workspace->take(static_cast<size_t>(range.count) * size);
  for (size_t i = 0; i < static_cast<size_t>(range.count); ++i) {
    std::memcpy(dense + i * size, found.data + i * found.stride, size * sizeof(float));
  }
  return dense;
}

void Node::read_into(size_t slot, const graph::Pass& pass, const graph::Range& range, float* to,
                     Workspace* workspace) const {
  const Node* source = this->source(slot);
  if (source != nullptr && source->storage == graph::Storage::kEachRead) {
    return source->kernel->compute(*source, pass, range, to, workspace);
  }
  const float* found = read(slot, pass, range, workspace);
  const size_t size = source == nullptr ? config->in.size() : source->out_size();
  std::memcpy(to, found, static_cast<size_t>(range.count) * size * sizeof(float));
}

float* Node::gradient_target(size_t slot, const graph::Range& range, Workspace* workspace) const {
  const graph::Edge& source = sources[slot];
  const bool straight = source.first && node_of(source)->stride == node_of(source)->out_size();
  if (straight) return node_of(source)->delta + range.offset(node_of(source)->stride);
  return workspace->take(static_cast<size_t>(range.count) * node_of(source)->out_size());
}

void Node::accumulate(size_t slot, const graph::Pass& pass, const graph::Range& range, const float* gradient,
                      Workspace* workspace) const {
  const graph::Edge& source = sources[slot];
  if (gradient != node_of(source)->delta + range.offset(node_of(source)->stride)) {
    add(gradient, node_of(source)->out_size(), range, *node_of(source), source.first);
  }
  accumulated(slot, pass, range, workspace);
}

Node::Place Node::gradient_place(size_t slot, const graph::Range& range) const {
  const Node& source = *this->source(slot);
  return {source.delta + range.offset(source.stride), source.stride, !sources[slot].first};
}

void Node::accumulated(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  const graph::Edge& source = sources[slot];
  if (source.last) node_of(source)->kernel->backward_epilogue(*node_of(source), pass, range, workspace);
}

void Node::pass_through(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  for (const graph::Edge& source : sources) {
    if (source.needs_gradient && !source.shared)
      add(delta + range.offset(stride), out_size(), range, *node_of(source), source.first);
  }
  run_source_epilogues(pass, range, workspace);
}

void Node::run_source_epilogues(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  for (const graph::Edge& source : sources) {
    if (source.needs_gradient && source.last)
      node_of(source)->kernel->backward_epilogue(*node_of(source), pass, range, workspace);
  }
}

}  // namespace dng::cpu
