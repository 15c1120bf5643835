// A network on the GPU: its layers' kernels, the memory they share, and copies of Darknet's parameters.
//
// Darknet's blocks (network/network.h) remain what is read from and written to files: push() copies them to the device,
// pull() back. Here the weights of convolutions are [filter][row][column][channel]; the files have Darknet's order.
//
// Parameters are contiguous in memory, weights first, and so are their gradients and their momentum: for an update in
// one kernel, and for sums over several GPUs in a few large transfers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu/gpu.h"
#include "gpu/kernel.h"
#include "gpu/operations.h"
#include "graph/executor.h"
#include "graph/network_config.h"
#include "graph/pass.h"

namespace dng::gpu {

// The precision= of [net].
Precision precision_of(const graph::NetworkConfig& config);

struct NetworkOptions {
  bool trains = true;
  bool fused = true;      // false: every layer by itself, for comparison
  bool adam = false;      // the update needs second moments
  int first_trained = 0;  // layers before it are frozen
  Precision precision = Precision::kFp32;
};

using Nodes = std::vector<std::unique_ptr<Node>>;

class Executor final : public graph::Executor {
 public:
  // `blocks` must outlive the network. Throws Error where a layer has no kernel, or where memory is short (naming what
  // was needed, and which subdivisions= would fit).
  Executor(std::shared_ptr<Gpu> gpu, const graph::NetworkConfig& config, const host::Blocks& blocks,
           const NetworkOptions& options);

  Gpu& gpu() const { return *gpu_; }
  const NetworkOptions& options() const { return options_; }
  int batch() const { return batch_; }
  int classes() const { return classes_; }

  // Between Darknet's blocks and the device. pull also adds gradients that no update has used yet.
  void push() override;
  void pull() override;

  // Passes over images in host memory, one at a time; see network/network.h.
  void forward(graph::Pass* pass) override;
  void backward(graph::Pass* pass) override;
  const float* probabilities() const override { return host_probabilities_.data(); }
  const float* logits(const graph::Pass&) const override { return host_logits_.data(); }

  // For CUDA graph capture: the parts of a step, on device memory.
  struct Io {
    void* images;  // [batch][height][width][channels], activation_type(precision)
    Type type;
    int* labels;
    LabelMix* mixes;
    float* teacher;
    StepInput* step;
    StepResult* results;  // [kSlots]
    float* probabilities;
  };
  static constexpr int kSlots = 256;
  const Io& io() const { return io_; }
  // Reads images and step input from another network's memory: a teacher sees the student's.
  void read_from(const Io& other);
  // Null: its own again.
  void read_step(StepInput* step) { io_.step = step != nullptr ? step : own_step_; }
  void read_teacher(float* probabilities) { io_.teacher = probabilities; }
  // `marks`: number of the first of the marks of the GPU's clock, one before each layer; below zero: none.
  void run_forward(bool training, bool scored, int marks = -1);
  void run_backward(int marks = -1);
  struct UpdateSettings {
    float momentum, decay;
    int batch;
    bool nesterov;
    math::AdamSettings adam;  // with NetworkOptions::adam
  };
  void run_update(const UpdateSettings& settings);
  // The next evaluation transforms the parameters again.
  void parameters_changed() { prepared_ = false; }
  int size() const { return static_cast<int>(nodes_.size()); }

  // Bytes for activations and gradients.
  size_t activation_bytes() const override { return arena_.bytes(); }
  const Node& node(int index) const { return *nodes_[static_cast<size_t>(index)]; }
  // The output of a layer after a pass, as [batch][channels][height][width]; for tests.
  std::vector<float> output(int index);

 private:
  struct Place {
    size_t offset = 0;  // floats, in its memory
    Values values;
    const host::Block* block = nullptr;
    int layer = 0;
    int64_t channels = 1, space = 1;  // of a weight's filter
  };

  void make_nodes(const graph::NetworkConfig& config);
  void place_parameters();
  void make_parameters(const graph::NetworkConfig& config);
  void make_memory(const graph::NetworkConfig& config);
  void require_memory(bool fits, size_t fixed, size_t per_batch, const graph::NetworkConfig& config) const;
  bool has_second_moments() const { return options_.trains && options_.adam; }
  size_t own_bytes() const;  // on the device
  Pass pass(bool training, bool scored) const;
  void import(const graph::Pass& pass);
  void copy_out_floats(const void* from, Type type, std::vector<float>* to);

  std::shared_ptr<Gpu> gpu_;
  const host::Blocks& blocks_;
  NetworkOptions options_;
  std::string path_;
  data::Geometry input_;
  int batch_, classes_;
  Nodes nodes_;
  std::vector<Place> places_, statistics_places_;
  size_t weights_ = 0, parameters_ = 0, statistics_ = 0;  // floats
  Memory values_, gradients_, momentum_, second_moments_, statistics_memory_, copies_, copy_gradients_, rules_, chunks_;
  Memory arena_, constants_, io_memory_, workspace_, sums_, planes_;
  Io io_{};
  StepInput* own_step_ = nullptr;
  StepInput imported_step_;
  bool prepared_ = false;
  std::vector<float> host_probabilities_, host_logits_;
};

}  // namespace dng::gpu
