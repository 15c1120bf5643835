#include "cpu/node.h"

#include <cstring>

#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/scratch.h"

namespace dng::cpu {
namespace {

void add(const float* from, size_t size, const Range& range, const Node& to, bool overwrite) {
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

View Node::view(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const {
  Node* source = sources[slot].node;
  if (source == nullptr) {
    const size_t size = config->in.size();
    return {pass.input + range.offset(size), size};
  }
  const bool there = source->storage == Storage::kStored || (source->storage == Storage::kFirstRead && source->ready);
  if (there) return {source->output + range.offset(source->stride), source->stride};
  const bool store = source->storage == Storage::kFirstRead;
  const size_t stride = store ? source->stride : source->out_size();
  float* to = store ? source->output + range.offset(stride)
                    : scratch->take(static_cast<size_t>(range.count) * source->out_size());
  source->kernel->compute(*source, pass, range, to, scratch);
  return {to, stride};
}

const float* Node::read(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const {
  const View found = view(slot, pass, range, scratch);
  const Node* source = sources[slot].node;
  if (source == nullptr || found.stride == source->out_size()) return found.data;
  const size_t size = source->out_size();
  float* dense = scratch->take(static_cast<size_t>(range.count) * size);
  for (size_t i = 0; i < static_cast<size_t>(range.count); ++i) {
    std::memcpy(dense + i * size, found.data + i * found.stride, size * sizeof(float));
  }
  return dense;
}

void Node::read_into(size_t slot, const Pass& pass, const Range& range, float* to, Scratch* scratch) const {
  const Node* source = sources[slot].node;
  if (source != nullptr && source->storage == Storage::kEachRead) {
    return source->kernel->compute(*source, pass, range, to, scratch);
  }
  const float* found = read(slot, pass, range, scratch);
  const size_t size = source == nullptr ? config->in.size() : source->out_size();
  std::memcpy(to, found, static_cast<size_t>(range.count) * size * sizeof(float));
}

float* Node::gradient_target(size_t slot, const Range& range, Scratch* scratch) const {
  const Source& source = sources[slot];
  const bool straight = source.first && source.node->stride == source.node->out_size();
  if (straight) return source.node->delta + range.offset(source.node->stride);
  return scratch->take(static_cast<size_t>(range.count) * source.node->out_size());
}

void Node::give(size_t slot, const Pass& pass, const Range& range, const float* gradient, Scratch* scratch) const {
  const Source& source = sources[slot];
  if (gradient != source.node->delta + range.offset(source.node->stride)) {
    add(gradient, source.node->out_size(), range, *source.node, source.first);
  }
  given(slot, pass, range, scratch);
}

Node::Place Node::gradient_place(size_t slot, const Range& range) const {
  const Node& source = *sources[slot].node;
  return {source.delta + range.offset(source.stride), source.stride, !sources[slot].first};
}

void Node::given(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const {
  const Source& source = sources[slot];
  if (source.last) source.node->kernel->settle(*source.node, pass, range, scratch);
}

void Node::hand_on(const Pass& pass, const Range& range, Scratch* scratch) const {
  for (const Source& source : sources) {
    if (source.wanted && !source.shared)
      add(delta + range.offset(stride), out_size(), range, *source.node, source.first);
  }
  settle_sources(pass, range, scratch);
}

void Node::settle_sources(const Pass& pass, const Range& range, Scratch* scratch) const {
  for (const Source& source : sources) {
    if (source.wanted && source.last) source.node->kernel->settle(*source.node, pass, range, scratch);
  }
}

}  // namespace dng::cpu
