#include "graph/node.h"

namespace dng::graph {

std::vector<std::vector<Node*>> readers_of(const Graph& graph) {
  std::vector<std::vector<Node*>> readers(graph.size());
  for (Node* node : graph) {
    if (node->plan.bypassed()) continue;
    for (const Edge& edge : node->sources) {
      if (edge.node != nullptr) readers[static_cast<size_t>(edge.node->index)].push_back(node);
    }
  }
  return readers;
}

std::vector<Node*> holders_of(const Graph& graph) {
  std::vector<Node*> holders = graph;
  for (size_t i = graph.size(); i-- > 0;) {
    if (graph[i]->plan.bypassed()) continue;
    for (const Edge& edge : graph[i]->sources) {
      if (edge.in_place) holders[static_cast<size_t>(edge.node->index)] = holders[i];
    }
  }
  return holders;
}

}  // namespace dng::graph
