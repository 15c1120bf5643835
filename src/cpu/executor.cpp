#include "cpu/executor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/finite.h"
#include "cpu/parallel.h"
#include "graph/fusion.h"
#include "graph/pass_plan.h"

namespace dng::cpu {
namespace {

void clear_delta(const Node& node) {
  for_ranges(node.batch, 1, [&](const graph::Range& image, Workspace&) {
    std::fill_n(node.delta + image.offset(node.stride), node.out_size(), 0.0f);
  });
}

// A node's output for some images, `stride` floats from one to the next, into the plain layout.
void copy_plain(const Node& node, int images, const float* output, size_t stride, float* to) {
  const data::Geometry& shape = node.config->out;
  const Rows rows(shape, node.layout);
  for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
    const float* image = output + i * stride;
    for (int c = 0; c < shape.channels; ++c) {
      const float* from = image + rows.offset(c / rows.block) + c % rows.block;
      for (size_t p = 0; p < rows.space; ++p) *to++ = from[p * static_cast<size_t>(rows.block)];
    }
  }
}

// Adds the seconds of its lifetime.
class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds), begin_(Clock::now()) {}
  ~Stopwatch() { *seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* seconds_;
  Clock::time_point begin_;
};

}  // namespace

Executor::Executor(const graph::NetworkConfig& config, const host::Blocks& blocks, const ExecutorSettings& settings)
    : input_(config.input),
      batch_(config.mini_batch),
      shards_{config.shards, config.mini_batch / config.shards, config.shards * config.ranks},
      classes_(config.classes()),
      first_trained_(config.first_trained()) {
  times_.resize(config.layers.size());
  for (const graph::LayerConfig& layer : config.layers) {
    auto node = std::make_unique<Node>();
    graph::connect(layer, batch_, nodes_, node.get());
    node->blocks = &blocks[static_cast<size_t>(layer.index)];
    node->plan.watched = layer.index == settings.watched_layer;
    if (node->plan.watched) watched_node_ = node.get();
    node->plan.has_parameters = true;  // Darknet's layers all get a gradient, whether a parameter needs it or not
    node->kernel = make_kernel(layer);
    nodes_.push_back(std::move(node));
  }
  make_memory(settings);
}

Executor::~Executor() = default;

void Executor::forward(graph::Pass* pass) {
  if (pass->training) {
    train_forward(pass);
  } else {
    infer(pass);
  }
}

const float* Executor::probabilities() const { return nodes_.back()->output; }

const float* Executor::logits(const graph::Pass& pass) const { return nodes_.back()->input(pass); }

void Executor::make_memory(const ExecutorSettings& settings) {
  const bool fused = !settings.reference;
  const graph::Graph graph = graph::graph_of(nodes_);
  if (fused) graph::fuse(graph);
  if (!settings.reference) choose_layouts(nodes_);
  inference_ = plan_inference(nodes_, shards_);
  const Setup setup{shards_, settings.trains, settings.reference, settings.ranks};
  for (const auto& node : nodes_) {
    node->inference_micro_batch = node->index < inference_.parted ? inference_.part : inference_.micro_batch;
    if (!node->plan.bypassed()) node->kernel->prepare(*node, setup);
  }
  // What is read from outside keeps its place.
  const auto own = [&](Node* node, std::vector<float>* memory) {
    if (node == nullptr || node->output != nullptr) return;
    memory->resize(node->out_size() * static_cast<size_t>(batch_));
    node->output = memory->data();
  };
  own(nodes_.back().get(), &probabilities_);
  own(nodes_.back()->source(), &logits_);
  if (settings.trains) plan(graph, fused);
}

void Executor::plan(const graph::Graph& graph, bool fused) {
  const std::vector<graph::Node*> holders = graph::holders_of(graph);
  const auto holder = [&](const Node& node) { return static_cast<Node*>(holders[static_cast<size_t>(node.index)]); };
  for (const auto& node : nodes_) {
    node->stride = holder(*node)->out_size();
    if (node->output != nullptr) node->plan.output_memory = graph::OutputMemory::kExternal;
  }
  graph::PlanSettings settings;
  settings.first_trained = first_trained_;
  settings.fused = fused;
  arena_.allocate(graph::plan_passes(graph, settings));
  const auto bind = [&](size_t offset, float** target) {
    if (offset != graph::kNoMemory) *target = arena_.at(offset);
  };
  for (const auto& node : nodes_) {
    bind(node->plan.offsets.output, &node->output);
    bind(node->plan.offsets.delta, &node->delta);
    bind(node->plan.offsets.saved, &node->saved);
    bind(node->plan.offsets.workspace, &node->workspace);
  }
  for (const auto& node : nodes_) node->output = holder(*node)->output;
}

void Executor::train_forward(graph::Pass* pass) {
  prepared_ = false;
  for (const auto& node : nodes_) node->plan.computed = false;
  for (const auto& node : nodes_) {
    if (node->plan.bypassed()) continue;
    const Stopwatch watch(&times_[static_cast<size_t>(node->index)].forward);
    node->kernel->forward(*node, *pass);
    if (node->plan.storage == graph::Storage::kStored && node->kernel->role(*node).lazy) {
      for_ranges(node->batch, 1, [&](const graph::Range& range, Workspace& workspace) {
        node->kernel->compute(*node, *pass, range, node->output + range.offset(node->stride), &workspace);
      });
    }
    for (const auto& other : nodes_) other->plan.computed |= other->plan.reader == node.get();
  }
}

void Executor::backward(graph::Pass* pass) {
  for (size_t i = nodes_.size(); i-- > static_cast<size_t>(first_trained_);) {
    Node& node = *nodes_[i];
    if (!node.plan.runs_backward()) continue;
    const Stopwatch watch(&times_[i].backward);
    const graph::Role role = node.kernel->role(node);
    if (!role.by_range) {
      for (const graph::Edge& source : node.sources) {
        if (source.gradient == graph::Gradient::kOverwrite) clear_delta(*node_of(source));
      }
    }
    if (!node.plan.epilogue_by_reader) {
      for_ranges(node.batch, 1, [&](const graph::Range& range, Workspace& workspace) {
        node.kernel->backward_epilogue(node, *pass, range, &workspace);
      });
    }
    if (!role.passes_through) node.kernel->backward(node, *pass);
  }
}

int Executor::micro_batch() const { return nodes_.back()->sources[0].node == nullptr ? 0 : inference_.micro_batch; }

size_t Executor::watched_size() const { return watched_node_ == nullptr ? 0 : watched_node_->config->out.size(); }

void Executor::prepare_inference() {
  if (frozen_ && prepared_) return;
  for (const auto& node : nodes_) {
    if (!node->plan.bypassed()) node->kernel->prepare_inference(*node);
  }
  prepared_ = true;
}

void Executor::infer(graph::Pass* pass) {
  prepare_inference();
  own_watched_.resize(watched_size() * static_cast<size_t>(batch_));
  watched_ = own_watched_.data();
  Node& last = *nodes_.back();
  if (last.sources[0].node != nullptr) {
    float* logits = last.source()->output;
    for_ranges(pass->count, inference_.micro_batch, [&](const graph::Range& range, Workspace& workspace) {
      const Outputs to{logits + range.offset(static_cast<size_t>(classes_)),
                       own_watched_.data() + range.offset(watched_size())};
      infer_micro_batch(pass->input + range.offset(input_.size()), to, &workspace);
    });
  }
  last.kernel->forward(last, *pass);
}

void Executor::infer_micro_batch(const float* images, const Outputs& to) const {
  const OneThread alone;
  const WorkspaceFrame frame(&thread_workspace());
  infer_micro_batch(images, to, &thread_workspace());
}

// A few images go through all layers while they are in the cache.
void Executor::infer_micro_batch(const float* images, const Outputs& to, Workspace* workspace) const {
  float* memory = workspace->take(inference_.total);
  for (int at = 0; at < inference_.micro_batch; at += inference_.part) {
    infer_layers(0, inference_.parted, images, {at, inference_.part}, to, memory, workspace);
  }
  infer_layers(inference_.parted, static_cast<int>(nodes_.size()), images, {0, inference_.micro_batch}, to, memory,
               workspace);
}

// `part` of a micro-batch through some layers.
void Executor::infer_layers(int first, int end, const float* images, const graph::Range& part, const Outputs& to,
                            float* memory, Workspace* workspace) const {
  const Node* logits = nodes_.back()->source();
  const auto place = [&](size_t i) {
    const size_t image = inference_.whole[i] ? static_cast<size_t>(part.first) : 0;
    return memory + inference_.offset[i] + image * inference_.stride[i];
  };
  std::vector<View> inputs;
  for (int n = first; n < end; ++n) {
    const auto& node = nodes_[static_cast<size_t>(n)];
    if (node->plan.bypassed() || node == nodes_.back()) continue;
    inputs.clear();
    for (const graph::Edge& source : node->sources) {
      if (source.node == nullptr) {
        inputs.push_back({images + part.offset(input_.size()), input_.size()});
      } else {
        const auto from = static_cast<size_t>(source.node->index);
        inputs.push_back({place(from), inference_.stride[from]});
      }
    }
    const auto i = static_cast<size_t>(n);
    float* output = node.get() == logits ? to.logits + part.offset(node->out_size()) : place(i);
    const WorkspaceFrame frame(workspace);
    node->kernel->infer(*node, part.count, inputs.data(), output, inference_.stride[i], workspace);
    if (node->plan.watched) {
      copy_plain(*node, part.count, output, inference_.stride[i], to.watched + part.offset(watched_size()));
    }
  }
}

void Executor::finish_micro_batches(const float* logits, const float* watched, graph::Pass* pass) {
  // The other threads are at the next micro-batches.
  const OneThread alone;
  Node& last = *nodes_.back();
  std::copy_n(logits, static_cast<size_t>(pass->count) * static_cast<size_t>(classes_), last.source()->output);
  watched_ = watched;
  last.kernel->forward(last, *pass);
}

int Executor::first_non_finite() const {
  for (const auto& node : nodes_) {
    if (node->plan.bypassed()) continue;
    const auto images = static_cast<size_t>(node->batch);
    const graph::Role role = node->kernel->role(*node);
    const bool fine = role.saved > 0
                          ? all_finite(node->saved, role.saved * images)
                          : node->plan.storage == graph::Storage::kEachRead || node->stride != node->out_size() ||
                                node->output == nullptr || all_finite(node->output, node->stride * images);
    if (!fine) return node->index;
  }
  return -1;
}

}  // namespace dng::cpu
