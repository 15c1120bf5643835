// A layer of a network that runs on the CPU: where its values lie, and who computes it.
//
// Nothing is stored that is cheap to compute again: the output of a batch norm, for instance, is computed from its
// input whenever a reader asks for some images of it, in the reader's own memory. And no delta is passed through in a
// pass of its own: whoever computes the gradient of some images also runs the backward epilogue of the layer below on
// them, while they are in the cache. graph/pass_plan.h decides who does what.
#pragma once

#include <memory>
#include <vector>

#include "cpu/layout.h"
#include "graph/node.h"
#include "graph/pass.h"

namespace dng::host {
struct Block;
}

namespace dng::cpu {

class Kernel;
class Workspace;
struct Node;

// Some images of a tensor; `stride` floats from one to the next.
struct View {
  const float* data = nullptr;
  size_t stride = 0;
};

Node* node_of(const graph::Edge& edge);

struct Node final : graph::Node {
  Node();
  ~Node() override;

  Layout layout = Layout::kPlain;                    // of output and delta
  const std::vector<host::Block>* blocks = nullptr;  // of the layer
  int inference_micro_batch = 1;                     // images that an evaluation computes at once
  size_t stride = 0;  // of output and delta; more than out_size() where they lie in another node's
  float* output = nullptr;
  float* delta = nullptr;      // negative gradient of the summed cost in the output
  float* saved = nullptr;      // [batch][Kernel::role().saved], from forward to backward
  float* workspace = nullptr;  // [Kernel::role().workspace], during backward
  std::unique_ptr<Kernel> kernel;

  graph::Kernel& graph_kernel() const override;
  size_t output_floats() const override { return static_cast<size_t>(batch) * stride; }
  bool same_memory(const graph::Node& other) const override;
  Node* source(size_t slot = 0) const { return node_of(sources[slot]); }

  size_t out_size() const { return floats_of(config->out, layout); }
  Layout in_layout(size_t slot = 0) const {
    return sources[slot].node == nullptr ? Layout::kPlain : source(slot)->layout;
  }
  size_t in_size() const { return floats_of(in, in_layout()); }

  // For kernels that work on the whole batch; see graph::Role::by_range.
  const float* input(const graph::Pass& pass) const {
    return sources[0].node == nullptr ? pass.input : source()->output;
  }
  // Null where it is not needed.
  float* input_delta() const { return sources[0].needs_gradient() ? source()->delta : nullptr; }

  // For kernels that work range by range, from any thread.
  // The range of a source's output. read: one image right behind the other.
  View view(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const;
  const float* read(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const;
  // The same, into memory of the caller's.
  void read_into(size_t slot, const graph::Pass& pass, const graph::Range& range, float* to,
                 Workspace* workspace) const;
  // Where to put the gradient of a range of a source; afterwards accumulate adds it to the source's delta, and runs the
  // source's backward epilogue where that is complete.
  float* gradient_target(size_t slot, const graph::Range& range, Workspace* workspace) const;
  void accumulate(size_t slot, const graph::Pass& pass, const graph::Range& range, const float* gradient,
                  Workspace* workspace) const;
  // The same for kernels that add and follow strides themselves.
  struct Place {
    float* data = nullptr;
    size_t stride = 0;
    bool add = false;  // else overwrite
  };
  Place gradient_place(size_t slot, const graph::Range& range) const;
  void accumulated(size_t slot, const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const;
  // For Role::passes_through: accumulates the node's own delta in those of all sources and runs their backward
  // epilogues; run_source_epilogues does the latter alone.
  void pass_through(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const;
  void run_source_epilogues(const graph::Pass& pass, const graph::Range& range, Workspace* workspace) const;
};

}  // namespace dng::cpu
