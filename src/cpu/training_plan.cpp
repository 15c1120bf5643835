#include "cpu/training_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "cpu/kernel.h"

namespace dng::cpu {
namespace {

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
    State& target = state(*source.node);
    if (source.in_place) return !target.any_given;
    if (target.any_given || source.node->out_size() != node.out_size() || source.node->layout != node.layout)
      return false;
    if (source.node->stride != node.stride || !state(node).role.hands_on_as_is) return false;
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

}  // namespace

void plan_training(Nodes* nodes, int first_trained, bool fused, Arena* arena) {
  TrainingPlanner(nodes, first_trained, fused).run(arena);
}

}  // namespace dng::cpu
