#include "cpu/wiring.h"

#include <algorithm>
#include <map>

#include "cpu/kernel.h"

namespace dng::cpu {
namespace {

// A [route] of one layer.
void bypass_copies(Nodes* nodes) {
  for (const auto& node : *nodes) {
    for (Source& source : node->sources) {
      if (source.node != nullptr && source.node->bypassed) source.node = source.node->sources[0].node;
    }
    node->bypassed = node->kernel->thins_by() == 1 && node != nodes->back() && !node->watched;
  }
}

// An activation of what nobody else reads becomes part of the layer that writes it.
void bypass_activations(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const math::Activation* activation = node->kernel->activation();
    Node* source = node->sources[0].node;
    if (activation == nullptr || source == nullptr || node == nodes->back()) continue;
    if (node->watched || source->watched) continue;
    const auto readers = readers_of(*nodes);
    if (readers[static_cast<size_t>(source->index)].size() != 1 || !source->kernel->take_over(*activation)) continue;
    for (Node* reader : readers[static_cast<size_t>(node->index)]) {
      for (Source& edge : reader->sources) edge.node = edge.node == node.get() ? source : edge.node;
    }
    node->bypassed = true;
  }
}

// A [maxpool] of size 1 whose readers can do without.
void bypass_thinning(Nodes* nodes) {
  const auto readers = readers_of(*nodes);
  for (const auto& node : *nodes) {
    const int step = node->kernel->thins_by();
    const auto& its = readers[static_cast<size_t>(node->index)];
    if (step <= 1 || its.empty() || node->watched) continue;
    const bool all = std::all_of(its.begin(), its.end(), [](const Node* reader) {
      return reader->kernel->can_subsample() && reader->subsample == 1;
    });
    if (!all) continue;
    for (Node* reader : its) {
      reader->subsample = step;
      reader->in = node->in;
      reader->sources[0].node = node->sources[0].node;
    }
    node->bypassed = true;
  }
}

bool same_start(const Node& shorter, const Node& longer) {
  if (shorter.sources.size() >= longer.sources.size()) return false;
  return std::equal(shorter.sources.begin(), shorter.sources.end(), longer.sources.begin(),
                    [](const Source& a, const Source& b) { return a.node == b.node && a.node != nullptr; });
}

// A join may continue another in place where all readers take gaps between the images, no other join continues it, and
// the shorter is read before the longer is there: forward it is then computed first, and backward the longer's gradient
// is complete, in the place that both share, before anything else is added to the shorter's.
void join_in_place(Nodes* nodes) {
  const auto readers = readers_of(*nodes);
  std::vector<Node*> joins;
  for (const auto& node : *nodes) {
    if (!node->bypassed && node->kernel->joins() && node->sources.size() > 1) joins.push_back(node.get());
  }
  const auto readers_are = [&](const Node* join, const auto& fitting) {
    const auto& its = readers[static_cast<size_t>(join->index)];
    return !its.empty() && std::all_of(its.begin(), its.end(), fitting);
  };
  const auto takes_strides = [](const Node* reader) {
    const Role role = reader->kernel->role(*reader);
    return role.takes_strides && role.measures;
  };
  std::map<const Node*, Node*> next;
  // From the last to the first, because the sources of a route are shortened on the way.
  for (size_t i = joins.size(); i-- > 0;) {
    for (size_t k = i; k-- > 0;) {
      Node *longer = joins[i], *shorter = joins[k];
      if (!same_start(*shorter, *longer) || next.count(shorter) != 0) continue;
      const auto comes_before = [&](const Node* reader) { return reader->index < longer->index; };
      if (!readers_are(longer, takes_strides) || !readers_are(shorter, takes_strides)) continue;
      if (!readers_are(shorter, comes_before)) continue;
      std::vector<Source> sources(1);
      sources[0].node = shorter;
      sources[0].in_place = true;
      sources.insert(sources.end(), longer->sources.begin() + static_cast<std::ptrdiff_t>(shorter->sources.size()),
                     longer->sources.end());
      longer->sources = std::move(sources);
      next[shorter] = longer;
      break;
    }
  }
}

// Who reads the start of what another node reads: see Node::before.
void find_predecessors(Nodes* nodes) {
  const auto readers = readers_of(*nodes);
  for (const auto& node : *nodes) {
    const Node* join = node->bypassed ? nullptr : node->sources[0].node;
    if (join == nullptr || join->bypassed || !join->sources[0].in_place) continue;
    const auto& before = readers[static_cast<size_t>(join->sources[0].node->index)];
    for (const Node* other : before) {
      if (other != join && other->index < node->index) node->before = other;
    }
  }
}

}  // namespace

void wire(Nodes* nodes) {
  bypass_copies(nodes);
  bypass_activations(nodes);
  bypass_thinning(nodes);
  join_in_place(nodes);
  find_predecessors(nodes);
}

void choose_layouts(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const LayoutUse use = node->kernel->layout_use();
    const bool writes = use == LayoutUse::kEach || use == LayoutUse::kSame;
    if (writes && can_block(node->config->out)) node->layout = Layout::kBlocked;
  }
  for (bool changed = true; changed;) {
    changed = false;
    const auto make_plain = [&](Node* node) {
      if (node->layout == Layout::kPlain) return;
      node->layout = Layout::kPlain;
      changed = true;
    };
    for (const auto& node : *nodes) {
      if (node->bypassed) continue;
      const LayoutUse use = node->kernel->layout_use();
      bool alike = node->layout == Layout::kBlocked;
      for (const Source& source : node->sources) {
        alike = alike && source.node != nullptr && source.node->layout == Layout::kBlocked;
      }
      if (use == LayoutUse::kSame && !alike) make_plain(node.get());
      for (const Source& source : node->sources) {
        if (source.node != nullptr && (use == LayoutUse::kPlain || (use == LayoutUse::kSame && !alike))) {
          make_plain(source.node);
        }
      }
    }
  }
}

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

std::vector<Node*> holders_of(const Nodes& nodes) {
  std::vector<Node*> holder;
  for (const auto& node : nodes) holder.push_back(node.get());
  for (size_t i = nodes.size(); i-- > 0;) {
    if (nodes[i]->bypassed) continue;
    for (const Source& source : nodes[i]->sources) {
      if (source.in_place) holder[static_cast<size_t>(source.node->index)] = holder[i];
    }
  }
  return holder;
}

}  // namespace dng::cpu
