#include <algorithm>

#include "gpu/network.h"

namespace dng::gpu {
namespace {

std::vector<std::vector<Node*>> readers_of(const Nodes& nodes) {
  std::vector<std::vector<Node*>> readers(nodes.size());
  for (const auto& node : nodes) {
    if (node->bypassed) continue;
    for (const Source& source : node->sources) {
      if (source.node != nullptr) readers[static_cast<size_t>(source.node->index)].push_back(node.get());
    }
  }
  return readers;
}

void redirect(Nodes* nodes, const Node* from, Node* to) {
  for (const auto& node : *nodes) {
    for (Source& source : node->sources) {
      if (source.node == from) source.node = to;
    }
  }
}

// A [route] of one layer: readers read that layer.
void bypass_copies(Nodes* nodes) {
  for (const auto& node : *nodes) {
    if (node->kernel->thins_by() != 1 || node == nodes->back()) continue;
    node->bypassed = true;
    redirect(nodes, node.get(), node->sources[0].node);
  }
}

// An activation of what nobody else reads becomes part of the layer that writes it.
void bypass_activations(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const math::Activation* activation = node->kernel->activation();
    Node* source = node->sources[0].node;
    if (node->bypassed || activation == nullptr || source == nullptr || node == nodes->back()) continue;
    if (readers_of(*nodes)[static_cast<size_t>(source->index)].size() != 1) continue;
    if (!source->kernel->take_over(*activation)) continue;
    node->bypassed = true;
    redirect(nodes, node.get(), source);
  }
}

// A shortcut is computed by the later of its sources, where nobody else reads that.
void bypass_sums(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const math::Activation* activation = node->kernel->sum_activation();
    if (node->bypassed || activation == nullptr || node == nodes->back()) continue;
    Node *later = node->sources[0].node, *other = node->sources[1].node;
    if (later == nullptr || other == nullptr || later == other) continue;
    if (later->index < other->index) std::swap(later, other);
    if (readers_of(*nodes)[static_cast<size_t>(later->index)].size() != 1) continue;
    if (!later->kernel->take_sum(*activation)) continue;
    Source addend;
    addend.node = other;
    later->sources.push_back(addend);
    later->sums = true;
    node->bypassed = true;
    redirect(nodes, node.get(), later);
  }
}

// A [maxpool] of size 1 whose readers can do without.
void bypass_thinning(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const int step = node->kernel->thins_by();
    if (node->bypassed || step <= 1) continue;
    const auto readers = readers_of(*nodes)[static_cast<size_t>(node->index)];
    const bool all = std::all_of(readers.begin(), readers.end(), [&](const Node* reader) {
      const auto edges = std::count_if(reader->sources.begin(), reader->sources.end(),
                                       [&](const Source& source) { return source.node == node.get(); });
      return reader->kernel->can_subsample() && reader->subsample == 1 && edges == 1 &&
             reader->sources[0].node == node.get();
    });
    if (!all || readers.empty()) continue;
    for (Node* reader : readers) {
      reader->subsample = step;
      reader->in = node->in;
      reader->sources[0].node = node->sources[0].node;
    }
    node->bypassed = true;
  }
}

}  // namespace

void wire(Nodes* nodes) {
  bypass_copies(nodes);
  bypass_activations(nodes);
  bypass_sums(nodes);
  bypass_thinning(nodes);
}

void plan_gradients(Nodes* nodes, int first_trained) {
  std::vector<bool> learns(nodes->size()), given(nodes->size());
  for (const auto& node : *nodes) {
    node->learns = node->index >= first_trained;
    if (node->bypassed || !node->learns) continue;
    const bool has_parameters = node->bias.gradient != nullptr || node->weights.gradient != nullptr;
    bool any = has_parameters;
    for (Source& source : node->sources) {
      source.wanted = source.node != nullptr && learns[static_cast<size_t>(source.node->index)];
      any = any || source.wanted;
    }
    learns[static_cast<size_t>(node->index)] = any;
  }
  std::vector<int> givers(nodes->size());
  for (const auto& node : *nodes) {
    for (const Source& source : node->sources) {
      if (source.wanted) ++givers[static_cast<size_t>(source.node->index)];
    }
  }
  nodes->back()->reached = learns.back();
  for (size_t i = nodes->size(); i-- > 0;) {
    Node& node = *(*nodes)[i];
    if (node.bypassed || !node.reached) continue;
    const size_t count = node.sources.size();
    for (size_t k = 0; k < count; ++k) {
      Source& source = node.sources[node.sums ? count - 1 - k : k];
      if (!source.wanted) continue;
      const auto target = static_cast<size_t>(source.node->index);
      source.add = given[target];
      source.only = givers[target] == 1;
      given[target] = true;
      source.node->reached = true;
    }
  }
}

}  // namespace dng::gpu
