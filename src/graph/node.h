// A network as a graph: nodes are layers, edges say who reads whom. A backend (src/cpu, src/gpu) derives its own node.
#pragma once

#include <memory>
#include <vector>

#include "graph/op.h"

namespace dng::graph {

class Kernel;
struct Node;

// What a node does with the gradient in a source.
enum class Gradient {
  kNone,       // nothing: the source needs none
  kShared,     // the source's delta is the node's own buffer, or the start of it: nothing to accumulate
  kOverwrite,  // writes it: the first contribution in a backward pass
  kAdd,        // adds it to what others have written
};

// What a node reads.
struct Edge {
  Node* node = nullptr;  // null: the network's input
  Gradient gradient = Gradient::kNone;
  bool last = false;      // nobody accumulates afterwards: run the source's backward epilogue
  bool only = false;      // nobody else accumulates in the source's delta
  bool in_place = false;  // the source's output is the start of the node's: nothing to copy
  bool needs_gradient() const { return gradient != Gradient::kNone; }
  bool adds() const { return gradient == Gradient::kAdd; }
};

// In which passes a node runs.
enum class Runs {
  kNever,    // bypassed: its readers read what it would have read
  kForward,  // no gradient is computed in it
  kForwardAndBackward,
};

// Where the output of a node is during a training pass.
enum class Storage {
  kStored,     // forward leaves all of it in the node's memory
  kFirstRead,  // the first reader computes it into the node's memory, range by range
  kEachRead,   // every reader computes what it needs; it has no memory
};

// The memory of a stored output.
enum class OutputMemory {
  kUntilLastRead,  // planned here, used again after the last reader
  kUntilPassEnd,   // planned here, also read from outside the graph
  kExternal,       // not planned here
};

constexpr size_t kNoMemory = static_cast<size_t>(-1);

// Where the planner puts a node's buffers: offsets in floats, or kNoMemory.
struct Offsets {
  size_t output = kNoMemory, delta = kNoMemory, saved = kNoMemory, workspace = kNoMemory;
};

// What executors and planners know of a node. Kernels, which get constant nodes, have no use for it.
struct NodePlan {
  // Set by the executor, before graph/fusion.h and graph/pass_plan.h.
  bool watched = false;         // its output is read from outside: it stays a layer of its own
  bool has_parameters = false;  // that learn unless they are frozen
  OutputMemory output_memory = OutputMemory::kUntilLastRead;
  // Set by the planners.
  Runs runs = Runs::kForward;
  bool fused_sum = false;  // its kernel adds the last source, and accumulates that source's gradient first
  Storage storage = Storage::kStored;
  const Node* reader = nullptr;     // kFirstRead: in whose forward pass the output is computed
  bool epilogue_by_reader = false;  // the last to accumulate runs its backward epilogue; else the executor does
  Offsets offsets;
  // During a training pass.
  bool computed = false;  // kFirstRead: the output exists

  bool bypassed() const { return runs == Runs::kNever; }
  bool runs_backward() const { return runs == Runs::kForwardAndBackward; }
};

struct Node {
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  const LayerConfig* config = nullptr;
  int index = 0;
  int batch = 0;
  std::vector<Edge> sources;
  data::Geometry in;                  // of the first source
  int subsample = 1;                  // of which every n-th row and column is read
  const Node* predecessor = nullptr;  // has read the first channels of what this node reads, in the same memory
  NodePlan plan;

  const data::Geometry& shape_of(size_t slot) const {
    return sources[slot].node == nullptr ? config->in : sources[slot].node->config->out;
  }
  virtual Kernel& graph_kernel() const = 0;
  // Floats that output and delta of the whole batch take.
  virtual size_t output_floats() const = 0;
  // Whether a delta of this node may lie in the buffer of the other's.
  virtual bool same_memory(const Node& other) const = 0;
};

using Graph = std::vector<Node*>;

template <class Node>
Graph graph_of(const std::vector<std::unique_ptr<Node>>& nodes) {
  Graph graph;
  for (const auto& node : nodes) graph.push_back(node.get());
  return graph;
}

// Fills what follows from the cfg: config, index, batch, input shape and sources, which are among `before`.
template <class Node>
void connect(const LayerConfig& layer, int batch, const std::vector<std::unique_ptr<Node>>& before, Node* node) {
  node->config = &layer;
  node->index = layer.index;
  node->batch = batch;
  node->in = layer.in;
  for (const int number : layer.sources) {
    Edge source;
    source.node = number < 0 ? nullptr : before[static_cast<size_t>(number)].get();
    node->sources.push_back(source);
  }
}

// Of each node: who reads it.
std::vector<std::vector<Node*>> readers_of(const Graph& graph);
// Of each node: the one in whose memory its output lies; itself, or a concatenation that continues it in place.
std::vector<Node*> holders_of(const Graph& graph);

}  // namespace dng::graph
