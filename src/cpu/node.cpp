#include "cpu/node.h"

#include <cstring>

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

// Accumulates a range of dense gradients in the delta of the edge's source.
void add(const float* from, const graph::Range& range, const graph::Edge& edge) {
  const Node& to = *node_of(edge);
  const size_t size = to.out_size();
  for (int i = 0; i < range.count; ++i) {
    const float* image = from + static_cast<size_t>(i) * size;
    float* target = to.delta + static_cast<size_t>(range.first + i) * to.stride;
    if (edge.adds()) {
      row_accumulate(image, size, target);
    } else {
      std::memcpy(target, image, size * sizeof(float));
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
  const graph::Storage storage = source->plan.storage;
  if (storage == graph::Storage::kEachRead) {
    float* to = workspace->take(static_cast<size_t>(range.count) * source->out_size());
    source->kernel->compute(*source, pass, range, to, workspace);
    return {to, source->out_size()};
  }
  float* stored = source->output + range.offset(source->stride);
  if (storage == graph::Storage::kFirstRead && !source->plan.computed) {
    source->kernel->compute(*source, pass, range, stored, workspace);
  }
  return {stored, source->stride};
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
  if (source != nullptr && source->plan.storage == graph::Storage::kEachRead) {
    return source->kernel->compute(*source, pass, range, to, workspace);
  }
  const float* found = read(slot, pass, range, workspace);
  const size_t size = source == nullptr ? config->in.size() : source->out_size();
  std::memcpy(to, found, static_cast<size_t>(range.count) * size * sizeof(float));
}

float* Node::gradient_target(size_t slot, const graph::Range& range, Workspace* workspace) const {
  const Place place = gradient_place(slot, range);
  const size_t size = source(slot)->out_size();
  if (!place.add && place.stride == size) return place.data;
  return workspace->take(static_cast<size_t>(range.count) * size);
}

void Node::accumulate(size_t slot, const graph::Pass& pass, const graph::Range& range, const float* gradient,
                      Workspace* workspace) const {
  if (gradient != gradient_place(slot, range).data) add(gradient, range, sources[slot]);
  accumulated(slot, pass, range, workspace);
}

Node::Place Node::gradient_place(size_t slot, const graph::Range& range) const {
  const Node& source = *this->source(slot);
  return {source.delta + range.offset(source.stride), source.stride, sources[slot].adds()};
}

void Node::accumulated(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  if (sources[slot].last) source(slot)->kernel->backward_epilogue(*source(slot), pass, range, workspace);
}

void Node::pass_through(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  for (const graph::Edge& source : sources) {
    if (source.needs_gradient() && source.gradient != graph::Gradient::kShared) {
      add(delta + range.offset(stride), range, source);
    }
  }
  run_source_epilogues(pass, range, workspace);
}

void Node::run_source_epilogues(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const {
  for (size_t slot = 0; slot < sources.size(); ++slot) {
    if (sources[slot].needs_gradient()) accumulated(slot, pass, range, workspace);
  }
}

}  // namespace dng::cpu
