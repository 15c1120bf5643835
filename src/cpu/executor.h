// A network on the CPU: its layers' kernels, their memory, and passes that fuse them.
#pragma once

#include <memory>
#include <vector>

#include "cpu/arena.h"
#include "cpu/choose_layouts.h"
#include "cpu/inference_plan.h"
#include "cpu/kernel.h"
#include "cpu/shards.h"
#include "graph/executor.h"
#include "graph/network_config.h"

namespace dng::cpu {

struct ExecutorSettings {
  bool trains = true;      // false: no memory for training passes
  bool reference = false;  // plain layouts, every output stored, nothing fused, no Winograd; slower
  int watched_layer = -1;  // whose output in evaluation passes watched() returns; -1: none

  RankStatistics* ranks = nullptr;  // other processes train the same network
};

// Where an evaluation writes the results of some images, one image right behind the other.
struct Outputs {
  float* logits = nullptr;   // [images][classes]
  float* watched = nullptr;  // [images][channels][height][width] of the watched layer, where one is
};

class Executor final : public graph::Executor {
 public:
  // `config` and `blocks` must outlive it.
  Executor(const graph::NetworkConfig& config, const host::Blocks& blocks, const ExecutorSettings& settings);
  ~Executor() override;

  void forward(graph::Pass* pass) override;
  void backward(graph::Pass* pass) override;
  const float* probabilities() const override;
  const float* logits(const graph::Pass& pass) const override;
  void push() override { prepared_ = false; }
  void pull() override {}
  size_t activation_bytes() const override { return arena_.size() * sizeof(float); }
  // From now on nobody changes the parameters: evaluation transforms them once.
  void freeze() {
    frozen_ = true;
    prepared_ = false;
  }

  // Evaluation in micro-batches; network/network.h has what they are for.
  int micro_batch() const;
  void prepare_inference();
  void infer_micro_batch(const float* images, const Outputs& to) const;
  void finish_micro_batches(const float* logits, const float* watched, graph::Pass* pass);
  const float* watched() const { return watched_; }
  size_t watched_size() const;

  const Node& node(int index) const { return *nodes_[static_cast<size_t>(index)]; }
  // After a training pass's forward: the first layer whose values are not finite; -1: none.
  int first_non_finite() const;

 private:
  void make_memory(const ExecutorSettings& settings);
  void plan(const graph::Graph& graph, bool fused);
  void train_forward(graph::Pass* pass);
  void infer(graph::Pass* pass);
  void infer_micro_batch(const float* images, const Outputs& to, Workspace* workspace) const;
  void infer_layers(int first, int end, const float* images, const graph::Range& part, const Outputs& to, float* memory,
                    Workspace* workspace) const;

  data::Geometry input_;
  int batch_;
  Shards shards_;
  int classes_;
  int first_trained_;  // layers before it are frozen
  bool frozen_ = false, prepared_ = false;
  Nodes nodes_;
  Arena arena_;
  InferencePlan inference_;
  std::vector<float> logits_, probabilities_, own_watched_;
  const float* watched_ = nullptr;
  const Node* watched_node_ = nullptr;
};

}  // namespace dng::cpu
