#include "graph/pass_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "graph/buffers.h"
#include "graph/kernel.h"

namespace dng::graph {
namespace {

// Plans a training pass by simulating it: tick i is the forward pass of node i, tick 2 n - 1 - i its backward
// pass.
class Planner {
 public:
  Planner(const Graph& graph, const PlanSettings& settings)
      : graph_(graph),
        settings_(settings),
        count_(static_cast<int>(graph.size())),
        states_(graph.size()),
        readers_(readers_of(graph)),
        holders_(holders_of(graph)) {
    for (const Node* node : graph_) {
      if (!node->plan.bypassed()) state(*node).role = node->graph_kernel().training_role(*node);
    }
  }

  size_t run() {
    choose_storage();
    find_gradients();
    forward();
    if (settings_.trains) backward();
    return lay_out();
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
    Span output, saved;
    int delta = -1;                   // number of the buffer in deltas_
    std::vector<Node*> accumulators;  // who has yet to accumulate in the delta
    bool any_accumulated = false, epilogue_done = false, done = false;
  };
  struct Delta {
    Span span;
    std::vector<Node*> members;
  };

  State& state(const Node& node) { return states_[static_cast<size_t>(node.index)]; }
  Node& holder(const Node& node) { return *holders_[static_cast<size_t>(node.index)]; }
  int backward_tick(const Node& node) const { return 2 * count_ - 1 - node.index; }
  bool eager(const Node& node) { return !state(node).role.passes_through; }

  void choose_storage() {
    for (Node* node : graph_) {
      const Role& role = state(*node).role;
      const auto& its = readers_[static_cast<size_t>(node->index)];
      const bool by_range = std::all_of(its.begin(), its.end(), [&](const Node* r) { return state(*r).role.by_range; });
      if (!settings_.fused || !role.lazy || its.empty() || !by_range) {
        node->plan.storage = Storage::kStored;
      } else {
        node->plan.storage = role.costly ? Storage::kFirstRead : Storage::kEachRead;
      }
    }
  }

  // Who needs a gradient: what depends on parameters that learn, as far as the cost depends on it.
  void find_gradients() {
    std::vector<bool> learns(graph_.size());
    for (Node* node : graph_) {
      if (node->plan.bypassed() || node->index < settings_.first_trained) continue;
      bool any = node->plan.has_parameters;
      for (Edge& source : node->sources) {
        if (source.node == nullptr || !learns[static_cast<size_t>(source.node->index)]) continue;
        source.gradient = Gradient::kAdd;
        any = true;
      }
      learns[static_cast<size_t>(node->index)] = any;
    }
    graph_.back()->plan.runs = Runs::kForwardAndBackward;
    for (int i = count_ - 1; i >= settings_.first_trained; --i) {
      Node& node = *graph_[static_cast<size_t>(i)];
      if (!node.plan.runs_backward()) continue;
      for (Edge& source : node.sources) {
        if (!source.needs_gradient()) continue;
        source.node->plan.runs = Runs::kForwardAndBackward;
        state(*source.node).accumulators.push_back(&node);
      }
    }
    for (Node* node : graph_) {
      for (Edge& source : node->sources) {
        source.only = source.needs_gradient() && state(*source.node).accumulators.size() == 1;
      }
    }
  }

  // Somebody reads the output of `node` (null: the network's input) at a tick; `reader` is whose forward pass it is.
  void read(Node* node, int tick, const Node* reader) {
    if (node == nullptr) return;
    State& s = state(*node);
    if (node->plan.storage == Storage::kStored) return s.output.touch(tick);
    if (node->plan.storage == Storage::kFirstRead) {
      s.output.touch(tick);
      if (reader == nullptr || node->plan.reader != nullptr) return;
      node->plan.reader = reader;
    }
    compute(node, tick, reader);
  }

  void compute(Node* node, int tick, const Node* reader) {
    if (state(*node).role.saved > 0) return state(*node).saved.touch(tick);
    for (const Edge& source : node->sources) read(source.node, tick, reader);
  }

  void forward() {
    for (Node* node : graph_) {
      if (node->plan.bypassed()) continue;
      State& s = state(*node);
      const int tick = node->index;
      if (s.role.saved > 0) s.saved.touch(tick);
      if (node->plan.storage == Storage::kStored) s.output.touch(tick);
      if (!s.role.lazy || s.role.saved > 0 || s.role.computes_statistics) {
        for (const Edge& source : node->sources) read(source.node, tick, node);
      }
      if (s.role.lazy && node->plan.storage == Storage::kStored) compute(node, tick, node);
    }
  }

  void backward() {
    Node& last = *graph_.back();
    if (!state(last).role.gradient_in_forward) new_delta(&last, last.index);  // a cost writes it in its forward pass
    for (int i = count_ - 1; i >= settings_.first_trained; --i) {
      Node& node = *graph_[static_cast<size_t>(i)];
      if (!node.plan.runs_backward()) continue;
      State& s = state(node);
      if (s.role.gradient_in_forward) {
        accumulate_in_all(&node, node.index, false);
        continue;
      }
      const int tick = backward_tick(node);
      if (!s.epilogue_done) backward_epilogue(&node, tick);
      if (s.role.passes_through) continue;
      touch_delta(node, tick);
      if (s.role.saved > 0) s.saved.touch(tick);
      if (s.role.reads_output) s.output.touch(tick);
      if (s.role.reads_input) {
        // Not of an addend.
        const size_t count = node.sources.size() - (node.plan.fused_sum ? 1 : 0);
        for (size_t slot = 0; slot < count; ++slot) read(node.sources[slot].node, tick, nullptr);
      }
      s.done = true;
      accumulate_in_all(&node, tick, false);
      if (s.role.by_range && settings_.fused) run_source_epilogues(&node, tick);
    }
  }

  void backward_epilogue(Node* node, int tick) {
    State& s = state(*node);
    s.epilogue_done = true;
    touch_delta(*node, tick);
    if (s.role.saved > 0) s.saved.touch(tick);
    if (s.role.reads_output) s.output.touch(tick);
    if (s.role.lazy && s.role.saved == 0 && !s.role.reads_output) compute(node, tick, nullptr);
    if (!s.role.passes_through) return;
    s.done = true;
    accumulate_in_all(node, tick, settings_.fused);
    if (settings_.fused) run_source_epilogues(node, tick);
  }

  // `shares`: in the node's own buffer, where that can be.
  void accumulate_in_all(Node* node, int tick, bool shares) {
    const size_t count = node->sources.size();
    for (size_t i = 0; i < count; ++i) {
      const size_t slot = node->plan.fused_sum ? count - 1 - i : i;
      accumulate(node, slot, tick, shares && can_share(*node, slot));
    }
  }

  void accumulate(Node* node, size_t slot, int tick, bool share) {
    Edge& source = node->sources[slot];
    if (!source.needs_gradient()) return;
    State& target = state(*source.node);
    const bool first = !target.any_accumulated;
    source.gradient = share ? Gradient::kShared : first ? Gradient::kOverwrite : Gradient::kAdd;
    target.any_accumulated = true;
    target.accumulators.erase(std::find(target.accumulators.begin(), target.accumulators.end(), node));
    if (first) {
      if (share) {
        target.delta = state(*node).delta;
        deltas_[static_cast<size_t>(target.delta)].members.push_back(source.node);
      } else {
        new_delta(source.node, tick);
      }
    }
    touch_delta(*source.node, tick);
  }

  // Of the sources in whose delta nobody accumulates any more.
  void run_source_epilogues(Node* node, int tick) {
    for (Edge& source : node->sources) {
      if (!source.needs_gradient()) continue;
      State& target = state(*source.node);
      if (!target.accumulators.empty() || target.epilogue_done) continue;
      source.last = true;
      source.node->plan.epilogue_by_reader = true;
      backward_epilogue(source.node, tick);
    }
  }

  // Whether a source's delta may be the buffer that holds the delta of `node`, which passes it through. Every other
  // node that has yet to read that buffer must have done so before anyone writes to it on behalf of the source, and
  // vice versa.
  bool can_share(const Node& node, size_t slot) {
    const Edge& source = node.sources[slot];
    if (!source.needs_gradient()) return false;
    State& target = state(*source.node);
    if (source.in_place) return !target.any_accumulated;
    if (target.any_accumulated || !source.node->same_memory(node)) return false;
    if (!state(node).role.passes_through_unchanged) return false;
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

  // All that is written to the delta of `writer` from now on comes after `reader` has read its own. `now` is
  // accumulating.
  bool apart(const Node& writer, const Node& reader, const Node* now) {
    const State& w = state(writer);
    std::vector<Node*> others = w.accumulators;
    others.erase(std::remove(others.begin(), others.end(), now), others.end());
    if (others.empty()) return !w.role.changes_delta;
    if (!eager(reader)) return false;
    return std::all_of(others.begin(), others.end(),
                       [&](const Node* other) { return eager(*other) && reader.index > other->index; });
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
  size_t lay_out() {
    std::vector<Buffer> buffers;
    std::vector<size_t*> targets;
    std::vector<std::pair<size_t*, size_t>> same;  // offsets that follow another buffer's
    const auto add = [&](size_t size, Span span, size_t* target) {
      if (!settings_.fused) span = {0, 2 * count_};
      buffers.push_back({size, span.birth, span.death, 0});
      targets.push_back(target);
      return buffers.size() - 1;
    };
    std::map<const Node*, Span> outputs;
    for (const Node* node : graph_) {
      Span& span = state(*node).output;
      if (span.birth < 0) continue;
      if (node->plan.output_memory == OutputMemory::kUntilPassEnd) span.touch(2 * count_);
      outputs[&holder(*node)].touch(span.birth);
      outputs[&holder(*node)].touch(span.death);
    }
    for (Node* node : graph_) {
      if (node->plan.bypassed()) continue;
      const State& s = state(*node);
      if (&holder(*node) == node && outputs.count(node) != 0 && node->plan.output_memory != OutputMemory::kExternal) {
        add(node->output_floats(), outputs[node], &node->plan.offsets.output);
      }
      if (!settings_.trains) continue;
      if (s.role.saved > 0) add(s.role.saved, s.saved, &node->plan.offsets.saved);
      if (s.role.workspace > 0 && node->plan.runs_backward()) {
        add(s.role.workspace, {backward_tick(*node), backward_tick(*node)}, &node->plan.offsets.workspace);
      }
    }
    for (const Delta& delta : deltas_) {
      Node* first = delta.members.front();
      const size_t number = add(first->output_floats(), delta.span, &first->plan.offsets.delta);
      for (Node* member : delta.members) same.emplace_back(&member->plan.offsets.delta, number);
    }
    const size_t total = place(&buffers);
    for (size_t i = 0; i < buffers.size(); ++i) *targets[i] = buffers[i].offset;
    for (const auto& entry : same) *entry.first = buffers[entry.second].offset;
    for (Node* node : graph_) {
      if (&holder(*node) != node) node->plan.offsets.output = holder(*node).plan.offsets.output;
    }
    return total;
  }

  const Graph& graph_;
  const PlanSettings settings_;
  const int count_;
  std::vector<State> states_;
  std::vector<Delta> deltas_;
  const std::vector<std::vector<Node*>> readers_;
  const std::vector<Node*> holders_;
};

}  // namespace

size_t plan_passes(const Graph& graph, const PlanSettings& settings) { return Planner(graph, settings).run(); }

}  // namespace dng::graph
