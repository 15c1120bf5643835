// A network as a graph: nodes are layers, edges say who reads whom. A backend (src/cpu, src/gpu) derives its own node.
#pragma once

#include <memory>
#include <vector>

#include "graph/op.h"

namespace dng::graph {

class Kernel;
struct Node;

// Where the output of a layer is during a training pass.
enum class Storage {
  kStored,     // forward leaves all of it in the node's memory
  kFirstRead,  // the first reader computes it into the node's memory, range by range
  kEachRead,   // every reader computes what it needs; it has no memory
};

// What a node reads, and what becomes of the gradient in it.
struct Edge {
  Node* node = nullptr;         // null: the network's input
  bool needs_gradient = false;  // its gradient is computed
  bool first = false;           // nobody has accumulated in its delta before in a backward pass: overwrite it
  bool last = false;            // nobody accumulates afterwards: run its backward epilogue
  bool only = false;            // nobody else accumulates in its delta
  bool in_place = false;        // its output is the start of the node's: nothing to copy
  bool shared = false;          // its delta is the node's own buffer (or the start of it): nothing to accumulate
  bool adds() const { return needs_gradient && !first; }
};

constexpr size_t kNoMemory = static_cast<size_t>(-1);

// Where the planner puts a node's buffers: offsets in floats, or kNoMemory.
struct Offsets {
  size_t output = kNoMemory, delta = kNoMemory, saved = kNoMemory, workspace = kNoMemory;
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
  data::Geometry in;             // what the first source gives
  int subsample = 1;             // of which every n-th row and column is read
  const Node* before = nullptr;  // has read the first channels of what this node reads, in the same place
  bool bypassed = false;         // its readers read what it would have read: it never runs
  bool watched = false;          // its output is read from outside: it stays a layer of its own
  bool fused_sum = false;        // its kernel adds the last source, and accumulates that source's gradient first
  bool learnable = false;        // it has parameters
  bool learns = true;            // false: its parameters are frozen
  bool trains = true;            // training passes will come
  bool reached = false;          // the cost depends on it, and something it depends on learns

  Storage storage = Storage::kStored;
  bool ready = false;               // kFirstRead: the output has been computed
  const Node* reader = nullptr;     // kFirstRead: in whose forward pass it is computed
  bool epilogue_by_reader = false;  // the last to accumulate runs its backward epilogue; else Backend::backward does
  bool external_output = false;     // its output lies in memory that is not planned here
  bool external_delta = false;      // the same of its delta
  bool read_after_forward = false;  // its output is read when the pass is over
  Offsets offsets;

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

// Of each node: who reads it.
std::vector<std::vector<Node*>> readers_of(const Graph& graph);
// Of each node: the one in whose memory its output lies; itself, or a concatenation that continues it in place.
std::vector<Node*> holders_of(const Graph& graph);

}  // namespace dng::graph
