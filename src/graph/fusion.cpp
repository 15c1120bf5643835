#include "graph/fusion.h"

#include <algorithm>
#include <map>
#include <utility>

#include "graph/kernel.h"

namespace dng::graph {
namespace {

const std::vector<Node*>& of(const std::vector<std::vector<Node*>>& readers, const Node& node) {
  return readers[static_cast<size_t>(node.index)];
}

size_t count_readers(const Graph& graph, const Node& node) { return of(readers_of(graph), node).size(); }

// From now on `node` never runs; its readers read `source`.
void bypass(const Graph& graph, Node* node, Node* source) {
  node->plan.runs = Runs::kNever;
  for (Node* reader : graph) {
    for (Edge& edge : reader->sources) edge.node = edge.node == node ? source : edge.node;
  }
}

void bypass_copies(const Graph& graph) {
  for (Node* node : graph) {
    if (node == graph.back() || node->plan.watched || node->graph_kernel().subsample_factor() != 1) continue;
    bypass(graph, node, node->sources[0].node);
  }
}

void fuse_activations(const Graph& graph) {
  for (Node* node : graph) {
    const math::Activation* activation = node->graph_kernel().activation();
    Node* source = node->sources[0].node;
    if (node->plan.bypassed() || activation == nullptr || source == nullptr || node == graph.back()) continue;
    if (node->plan.watched || source->plan.watched || count_readers(graph, *source) != 1) continue;
    if (source->graph_kernel().fuse_activation(*activation)) bypass(graph, node, source);
  }
}

void fuse_sums(const Graph& graph) {
  for (Node* node : graph) {
    const math::Activation* activation = node->graph_kernel().sum_activation();
    if (node->plan.bypassed() || activation == nullptr || node == graph.back()) continue;
    Node *later = node->sources[0].node, *other = node->sources[1].node;
    if (later == nullptr || other == nullptr || later == other) continue;
    if (later->index < other->index) std::swap(later, other);
    if (node->plan.watched || later->plan.watched || count_readers(graph, *later) != 1) continue;
    if (!later->graph_kernel().fuse_sum(*activation)) continue;
    Edge addend;
    addend.node = other;
    later->sources.push_back(addend);
    later->plan.fused_sum = true;
    bypass(graph, node, later);
  }
}

bool reads_alone(const Node& reader, const Node& node) {
  return reader.sources[0].node == &node && std::count_if(reader.sources.begin(), reader.sources.end(),
                                                          [&](const Edge& edge) { return edge.node == &node; }) == 1;
}

void fuse_subsampling(const Graph& graph) {
  for (Node* node : graph) {
    const int step = node->graph_kernel().subsample_factor();
    if (node->plan.bypassed() || node->plan.watched || step <= 1) continue;
    const std::vector<Node*> readers = of(readers_of(graph), *node);
    const bool all = std::all_of(readers.begin(), readers.end(), [&](const Node* reader) {
      return reader->graph_kernel().can_subsample() && reader->subsample == 1 && reads_alone(*reader, *node);
    });
    if (!all || readers.empty()) continue;
    for (Node* reader : readers) {
      reader->subsample = step;
      reader->in = node->in;
    }
    bypass(graph, node, node->sources[0].node);
  }
}

bool same_start(const Node& shorter, const Node& longer) {
  if (shorter.sources.size() >= longer.sources.size()) return false;
  return std::equal(shorter.sources.begin(), shorter.sources.end(), longer.sources.begin(),
                    [](const Edge& a, const Edge& b) { return a.node == b.node && a.node != nullptr; });
}

// A concatenation may continue another in place where all readers take gaps between the images, no other one continues
// it, and the shorter is read before the longer is computed: forward it is then computed first, and backward the
// longer's gradient is complete, in the place that both share, before anything else is added to the shorter's.
void concatenate_in_place(const Graph& graph) {
  const auto readers = readers_of(graph);
  std::vector<Node*> concatenations;
  for (Node* node : graph) {
    if (!node->plan.bypassed() && node->graph_kernel().is_concatenation() && node->sources.size() > 1) {
      concatenations.push_back(node);
    }
  }
  const auto readers_are = [&](const Node* node, const auto& fitting) {
    const auto& its = of(readers, *node);
    return !its.empty() && std::all_of(its.begin(), its.end(), fitting);
  };
  const auto takes_strides = [](const Node* reader) {
    const Role role = reader->graph_kernel().training_role(*reader);
    return role.takes_strides && role.computes_statistics;
  };
  std::map<const Node*, Node*> next;
  // From the last to the first, because this shortens the sources of a [route].
  for (size_t i = concatenations.size(); i-- > 0;) {
    for (size_t k = i; k-- > 0;) {
      Node *longer = concatenations[i], *shorter = concatenations[k];
      if (!same_start(*shorter, *longer) || next.count(shorter) != 0) continue;
      const auto comes_before = [&](const Node* reader) { return reader->index < longer->index; };
      if (!readers_are(longer, takes_strides) || !readers_are(shorter, takes_strides)) continue;
      if (!readers_are(shorter, comes_before)) continue;
      std::vector<Edge> sources(1);
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

// Who reads the start of what another node reads: see Node::predecessor.
void find_predecessors(const Graph& graph) {
  const auto readers = readers_of(graph);
  for (Node* node : graph) {
    const Node* source = node->plan.bypassed() ? nullptr : node->sources[0].node;
    if (source == nullptr || source->plan.bypassed() || !source->sources[0].in_place) continue;
    for (const Node* other : of(readers, *source->sources[0].node)) {
      if (other != source && other->index < node->index) node->predecessor = other;
    }
  }
}

}  // namespace

void fuse(const Graph& graph) {
  bypass_copies(graph);
  fuse_activations(graph);
  fuse_sums(graph);
  fuse_subsampling(graph);
  concatenate_in_place(graph);
  find_predecessors(graph);
}

}  // namespace dng::graph
