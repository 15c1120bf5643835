// A layer of a network that is ready to run: what it reads, where its numbers lie, and who computes it.
//
// Nothing is stored that is cheap to compute again: the output of a batch norm, for instance, is made from its input
// whenever a reader asks for some images of it, in the reader's own memory. And no delta is handed on in a pass of its
// own: whoever computes the gradient of some images also runs the first step of the layer below on them (settle), while
// they are in the cache. cpu/training_plan.h decides who does what.
#pragma once

#include <memory>
#include <vector>

#include "cpu/layout.h"
#include "cpu/pass.h"
#include "graph/op.h"

namespace dng::host {
class Network;
}

namespace dng::cpu {

class Kernel;
class Scratch;
struct Node;

// Where the output of a layer is while a training pass runs.
enum class Storage {
  kStored,     // forward leaves all of it in `output`
  kFirstRead,  // the first reader computes it into `output`, range by range
  kEachRead,   // every reader computes what it needs; `output` is null
};

// Some images of a tensor; `stride` floats from one to the next.
struct View {
  const float* data = nullptr;
  size_t stride = 0;
};

// An edge: what a node reads, and what becomes of the gradient in it.
struct Source {
  Node* node = nullptr;   // null: the network's input
  bool wanted = false;    // its gradient is wanted
  bool first = false;     // nobody has given to its delta before in a backward pass: overwrite instead of adding
  bool last = false;      // nobody gives to it afterwards: settle it
  bool in_place = false;  // its output is the start of the node's: nothing to copy
  bool shared = false;    // its delta is the node's own buffer (or the start of it): nothing to hand over
};

struct Node {
  const graph::LayerConfig* config = nullptr;
  int index = 0;
  int batch = 0;
  Layout layout = Layout::kPlain;  // of output and delta
  host::Network* host = nullptr;
  std::vector<Source> sources;
  data::Geometry in;             // what the first source gives
  int subsample = 1;             // of which every n-th row and column is read
  const Node* before = nullptr;  // has read the first channels of what this node reads, in the same place
  bool bypassed = false;         // its readers read what it would have read: it never runs
  bool watched = false;          // its output is looked at from outside: it stays a layer of its own
  bool trains = true;            // training passes will come
  bool reference = false;        // the plain way: no approximation that is faster
  int threads = 1;
  int inference_piece = 1;
  bool reached = false;  // the cost depends on it, and something it depends on learns

  Storage storage = Storage::kStored;
  bool ready = false;             // kFirstRead: the output is there
  const Node* reader = nullptr;   // kFirstRead: in whose forward pass it is computed
  bool settled_by_giver = false;  // its last giver calls settle; else Network::backward does
  size_t stride = 0;              // of output and delta; more than out_size() where they lie in another node's
  float* output = nullptr;
  float* delta = nullptr;      // negative gradient of the summed cost in the output
  float* kept = nullptr;       // [batch][Role::kept], from forward to backward
  float* workspace = nullptr;  // [Role::workspace], during backward
  std::unique_ptr<Kernel> kernel;

  size_t out_size() const { return floats_of(config->out, layout); }
  Layout in_layout(size_t slot = 0) const {
    return sources[slot].node == nullptr ? Layout::kPlain : sources[slot].node->layout;
  }
  size_t in_size() const { return floats_of(in, in_layout()); }

  const data::Geometry& shape_of(size_t slot) const {
    return sources[slot].node == nullptr ? config->in : sources[slot].node->config->out;
  }

  // For kernels that work on the whole batch; see Role::by_range.
  const float* input(const Pass& pass) const {
    return sources[0].node == nullptr ? pass.input : sources[0].node->output;
  }
  // Null where it is not wanted.
  float* input_delta() const { return sources[0].wanted ? sources[0].node->delta : nullptr; }

  // For kernels that work range by range, from any thread.
  // The range of a source's output. read: one image right behind the other.
  View view(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const;
  const float* read(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const;
  // The same, into memory of the caller's.
  void read_into(size_t slot, const Pass& pass, const Range& range, float* to, Scratch* scratch) const;
  // Where to put the gradient of a range of a source, and then: adds it to what is there, settles the source.
  float* gradient_target(size_t slot, const Range& range, Scratch* scratch) const;
  void give(size_t slot, const Pass& pass, const Range& range, const float* gradient, Scratch* scratch) const;
  // The same for kernels that add and mind strides themselves: where the range of the source's delta is, and then.
  struct Place {
    float* data = nullptr;
    size_t stride = 0;
    bool add = false;  // else overwrite
  };
  Place gradient_place(size_t slot, const Range& range) const;
  void given(size_t slot, const Pass& pass, const Range& range, Scratch* scratch) const;
  // Gives the node's own delta to all sources and settles them; the second alone. For Role::hands_on.
  void hand_on(const Pass& pass, const Range& range, Scratch* scratch) const;
  void settle_sources(const Pass& pass, const Range& range, Scratch* scratch) const;
};

}  // namespace dng::cpu
