#include "engine/plan.h"

#include <algorithm>
#include <map>

#include "engine/cpu/parallel.h"
#include "engine/kernel.h"

namespace dng {
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

void bypass_copies(Nodes* nodes) {
  for (const auto& node : *nodes) {
    for (Source& source : node->sources) {
      if (source.node != nullptr && source.node->bypassed) source.node = source.node->sources[0].node;
    }
    node->bypassed = node->kernel->thins_by() == 1 && node != nodes->back();
  }
}

// An activation of what nobody else reads becomes part of the layer that writes it.
void bypass_activations(Nodes* nodes) {
  for (const auto& node : *nodes) {
    const Activation* activation = node->kernel->activation();
    Node* source = node->sources[0].node;
    if (activation == nullptr || source == nullptr || node == nodes->back()) continue;
    const auto readers = readers_of(*nodes);
    if (readers[static_cast<size_t>(source->index)].size() != 1 || !source->kernel->take_over(*activation)) continue;
    for (Node* reader : readers[static_cast<size_t>(node->index)]) {
      for (Source& edge : reader->sources) edge.node = edge.node == node.get() ? source : edge.node;
    }
    node->bypassed = true;
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

void bypass_thinning(Nodes* nodes) {
  const auto readers = readers_of(*nodes);
  for (const auto& node : *nodes) {
    const int step = node->kernel->thins_by();
    const auto& its = readers[static_cast<size_t>(node->index)];
    if (step <= 1 || its.empty()) continue;
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

// The node whose memory holds the output of `node`, and more behind it.
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

// Works out a training pass by going through it: tick i is the forward pass of node i, tick 2 n - 1 - i its backward
// pass.
class TrainingPlanner {
 public:
  TrainingPlanner(Nodes* nodes, int first_trained, bool fused)
      : nodes_(*nodes), first_trained_(first_trained), fused_(fused), count_(static_cast<int>(nodes->size())) {
    states_.resize(nodes_.size());
    for (const auto& node : nodes_) state(*node).role = node->kernel->role(*node);
    readers_ = readers_of(nodes_);
    holders_ = holders_of(nodes_);
  }

  void run(Arena* arena) {
    for (const auto& node : nodes_) node->stride = holder(*node).out_size();
    choose_storage();
    find_wanted();
    forward();
    backward();
    lay_out(arena);
  }

 private:
  struct Span {
    int birth = -1, death = -1;
    void touch(int tick) {
      birth = birth < 0 ? tick : std::min(birth, tick);
      death = std::max(death, tick);
    }
  };
  struct State {
    Role role;
    Span output, kept;
    int delta = -1;             // number of the buffer in deltas_
    std::vector<Node*> givers;  // who has yet to give to the delta
    bool any_given = false, settled = false, done = false;
  };
  struct Delta {
    Span span;
    std::vector<Node*> members;
  };

  State& state(const Node& node) { return states_[static_cast<size_t>(node.index)]; }
  Node& holder(const Node& node) { return *holders_[static_cast<size_t>(node.index)]; }
  bool is_last(const Node& node) const { return node.index == count_ - 1; }
  int backward_tick(const Node& node) const { return 2 * count_ - 1 - node.index; }
  bool eager(const Node& node) { return !state(node).role.hands_on; }

  void choose_storage() {
    for (const auto& node : nodes_) {
      const Role& role = state(*node).role;
      const auto& its = readers_[static_cast<size_t>(node->index)];
      const bool by_range = std::all_of(its.begin(), its.end(), [&](const Node* r) { return state(*r).role.by_range; });
      if (!fused_ || !role.lazy || its.empty() || !by_range) {
        node->storage = Storage::kStored;
      } else {
        node->storage = role.costly ? Storage::kFirstRead : Storage::kEachRead;
      }
    }
  }

  void find_wanted() {
    nodes_.back()->reached = true;
    for (int i = count_ - 1; i >= first_trained_; --i) {
      Node& node = *nodes_[static_cast<size_t>(i)];
      if (node.bypassed || !node.reached) continue;
      for (Source& source : node.sources) {
        source.wanted = source.node != nullptr && source.node->index >= first_trained_;
        if (!source.wanted) continue;
        source.node->reached = true;
        state(*source.node).givers.push_back(&node);
      }
    }
  }

  // Somebody reads the output of `node` (null: the network's input) at a tick; `reader` is whose forward pass it is.
  void read(Node* node, int tick, const Node* reader) {
    if (node == nullptr) return;
    State& s = state(*node);
    if (node->storage == Storage::kStored) return s.output.touch(tick);
    if (node->storage == Storage::kFirstRead) {
      s.output.touch(tick);
      if (reader == nullptr || node->reader != nullptr) return;
      node->reader = reader;
    }
    compute(node, tick, reader);
  }

  void compute(Node* node, int tick, const Node* reader) {
    if (state(*node).role.kept > 0) return state(*node).kept.touch(tick);
    for (const Source& source : node->sources) read(source.node, tick, reader);
  }

  void forward() {
    for (const auto& node : nodes_) {
      if (node->bypassed) continue;
      State& s = state(*node);
      const int tick = node->index;
      if (s.role.kept > 0) s.kept.touch(tick);
      if (node->storage == Storage::kStored) s.output.touch(tick);
      if (!s.role.lazy || s.role.kept > 0 || s.role.measures) {
        for (const Source& source : node->sources) read(source.node, tick, node.get());
      }
      if (s.role.lazy && node->storage == Storage::kStored) compute(node.get(), tick, node.get());
    }
  }

  void backward() {
    Node& last = *nodes_.back();
    new_delta(&last, last.index);  // a cost writes it in its forward pass
    for (int i = count_ - 1; i >= first_trained_; --i) {
      Node& node = *nodes_[static_cast<size_t>(i)];
      if (node.bypassed || !node.reached) continue;
      State& s = state(node);
      const int tick = backward_tick(node);
      if (!s.settled) settle(&node, tick);
      if (s.role.hands_on) continue;
      touch_delta(node, tick);
      if (s.role.kept > 0) s.kept.touch(tick);
      if (s.role.reads_output) s.output.touch(tick);
      if (s.role.reads_input) {
        for (const Source& source : node.sources) read(source.node, tick, nullptr);
      }
      s.done = true;
      for (size_t slot = 0; slot < node.sources.size(); ++slot) give(&node, slot, tick, false);
      if (s.role.by_range && fused_) settle_sources(&node, tick);
    }
  }

  void settle(Node* node, int tick) {
    State& s = state(*node);
    s.settled = true;
    touch_delta(*node, tick);
    if (s.role.kept > 0) s.kept.touch(tick);
    if (s.role.reads_output) s.output.touch(tick);
    if (s.role.lazy && s.role.kept == 0 && !s.role.reads_output) compute(node, tick, nullptr);
    if (!s.role.hands_on) return;
    s.done = true;
    for (size_t slot = 0; slot < node->sources.size(); ++slot) give(node, slot, tick, fused_ && can_share(*node, slot));
    if (fused_) settle_sources(node, tick);
  }

  void give(Node* node, size_t slot, int tick, bool share) {
    Source& source = node->sources[slot];
    if (!source.wanted) return;
    State& target = state(*source.node);
    source.first = !target.any_given;
    source.shared = share;
    target.any_given = true;
    target.givers.erase(std::find(target.givers.begin(), target.givers.end(), node));
    if (source.first) {
      if (share) {
        target.delta = state(*node).delta;
        deltas_[static_cast<size_t>(target.delta)].members.push_back(source.node);
      } else {
        new_delta(source.node, tick);
      }
    }
    touch_delta(*source.node, tick);
  }

  // The sources that nobody else gives to any more.
  void settle_sources(Node* node, int tick) {
    for (Source& source : node->sources) {
      if (!source.wanted) continue;
      State& target = state(*source.node);
      if (!target.givers.empty() || target.settled) continue;
      source.last = true;
      source.node->settled_by_giver = true;
      settle(source.node, tick);
    }
  }

  // Whether a source's delta may be the buffer that holds the delta of `node`, which hands it on. Every other node
  // that has yet to read that buffer must have done so before anyone writes to it on behalf of the source, and the
  // other way round.
  bool can_share(const Node& node, size_t slot) {
    const Source& source = node.sources[slot];
    if (!source.wanted) return false;
    if (source.in_place) return true;
    State& target = state(*source.node);
    if (target.any_given || source.node->out_size() != node.out_size() || source.node->layout != node.layout)
      return false;
    if (source.node->stride != node.stride || node.kernel->joins()) return false;
    for (size_t other = 0; other < node.sources.size(); ++other) {
      if (other != slot && node.sources[other].node == source.node) return false;
    }
    const Delta& delta = deltas_[static_cast<size_t>(state(node).delta)];
    for (Node* member : delta.members) {
      if (member == &node || state(*member).done) continue;
      if (!apart(*member, *source.node, &node) || !apart(*source.node, *member, &node)) return false;
    }
    return true;
  }

  // All that is written to the delta of `writer` from now on comes after `reader` has read its own. `now` is giving.
  bool apart(const Node& writer, const Node& reader, const Node* now) {
    const State& w = state(writer);
    std::vector<Node*> givers = w.givers;
    givers.erase(std::remove(givers.begin(), givers.end(), now), givers.end());
    if (givers.empty()) return !w.role.changes_delta;
    if (!eager(reader)) return false;
    return std::all_of(givers.begin(), givers.end(),
                       [&](const Node* giver) { return eager(*giver) && reader.index > giver->index; });
  }

  void new_delta(Node* node, int tick) {
    // All the nodes whose outputs lie in one another's share the delta, too.
    State& own = state(*node);
    own.delta = static_cast<int>(deltas_.size());
    deltas_.push_back({{tick, tick}, {node}});
  }

  void touch_delta(const Node& node, int tick) {
    const int number = state(node).delta;
    if (number >= 0) deltas_[static_cast<size_t>(number)].span.touch(tick);
  }

  // Collects the buffers, places them, and tells the nodes.
  void lay_out(Arena* arena) {
    std::vector<Buffer> buffers;
    std::vector<float**> targets;
    std::vector<std::pair<float**, size_t>> same;  // pointers that follow another buffer's
    const auto add = [&](size_t size, Span span, float** target) {
      if (!fused_) span = {0, 2 * count_};
      buffers.push_back({size, span.birth, span.death, 0});
      targets.push_back(target);
      return buffers.size() - 1;
    };
    const auto batch = static_cast<size_t>(nodes_.front()->batch);
    std::map<const Node*, Span> outputs;
    for (const auto& node : nodes_) {
      const Span& span = state(*node).output;
      if (span.birth < 0) continue;
      outputs[&holder(*node)].touch(span.birth);
      outputs[&holder(*node)].touch(span.death);
    }
    for (const auto& node : nodes_) {
      if (node->bypassed) continue;
      State& s = state(*node);
      if (&holder(*node) == node.get() && outputs.count(node.get()) != 0 && node->output == nullptr) {
        add(batch * node->stride, outputs[node.get()], &node->output);
      }
      if (s.role.kept > 0) add(batch * s.role.kept, s.kept, &node->kept);
      if (s.role.workspace > 0 && node->reached) {
        add(s.role.workspace, {backward_tick(*node), backward_tick(*node)}, &node->workspace);
      }
    }
    // The host's own code may write where it is not asked to.
    for (const auto& node : nodes_) {
      if (!fused_ && !node->bypassed && state(*node).delta < 0) new_delta(node.get(), 0);
    }
    for (const Delta& delta : deltas_) {
      if (delta.members.front()->delta != nullptr) continue;
      const size_t number = add(batch * delta.members.front()->stride, delta.span, &delta.members.front()->delta);
      for (Node* member : delta.members) same.emplace_back(&member->delta, number);
    }
    arena->allocate(place(&buffers));
    for (size_t i = 0; i < buffers.size(); ++i) *targets[i] = arena->at(buffers[i].offset);
    for (const auto& entry : same) *entry.first = arena->at(buffers[entry.second].offset);
    for (const auto& node : nodes_) {
      if (&holder(*node) != node.get()) node->output = holder(*node).output;
    }
  }

  Nodes& nodes_;
  int first_trained_;
  bool fused_;
  int count_;
  std::vector<State> states_;
  std::vector<Delta> deltas_;
  std::vector<std::vector<Node*>> readers_;
  std::vector<Node*> holders_;
};

// Measured: 16 images keep a layer of a CIFAR network in the cache; of larger images fewer.
constexpr int kMostImages = 16;
constexpr size_t kBytes = size_t{4} << 20;

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

void plan_training(Nodes* nodes, int first_trained, bool fused, Arena* arena) {
  TrainingPlanner(nodes, first_trained, fused).run(arena);
}

InferencePlan plan_inference(const Nodes& nodes, int batch, int threads) {
  InferencePlan plan;
  size_t largest = 1;
  for (const auto& node : nodes) {
    if (!node->bypassed) largest = std::max(largest, node->in_size() + node->out_size());
  }
  for (int piece = 1; piece <= std::min(batch / least_pieces(threads), kMostImages); ++piece) {
    if (batch % piece == 0 && (static_cast<size_t>(piece) * largest * sizeof(float) <= kBytes || piece <= 4)) {
      plan.piece = piece;
    }
  }
  const std::vector<Node*> holders = holders_of(nodes);
  std::vector<Buffer> buffers(nodes.size());
  for (const auto& node : nodes) {
    const auto i = static_cast<size_t>(node->index);
    const auto h = static_cast<size_t>(holders[i]->index);
    plan.stride.push_back(holders[i]->out_size());
    if (node->bypassed) continue;
    if (h == i) {
      buffers[i].size = node->out_size() * static_cast<size_t>(plan.piece);
      if (buffers[i].birth == 0) buffers[i].birth = node->index;
    } else {
      buffers[h].birth = buffers[h].birth == 0 ? node->index : std::min(buffers[h].birth, node->index);
    }
    buffers[h].death = std::max(buffers[h].death, node->index);
    for (const Source& source : node->sources) {
      if (source.node == nullptr) continue;
      Buffer& read = buffers[static_cast<size_t>(holders[static_cast<size_t>(source.node->index)]->index)];
      read.death = std::max(read.death, node->index);
    }
  }
  plan.total = place(&buffers);
  for (size_t i = 0; i < nodes.size(); ++i)
    plan.offset.push_back(buffers[static_cast<size_t>(holders[i]->index)].offset);
  return plan;
}

}  // namespace dng
