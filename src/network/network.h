// A network that is ready to run: its parameters, and an executor on CPU or GPU. Where it trains, Darknet's layers own
// the parameters; where it only evaluates, the network itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cpu/executor.h"
#include "graph/network_config.h"
#include "graph/parameter.h"
#include "host/host.h"
#include "network/own_blocks.h"

namespace dng::gpu {
class Executor;
class Gpu;
}  // namespace dng::gpu

namespace dng::network {

struct NetworkSettings {
  std::shared_ptr<gpu::Gpu> gpu;  // null: runs on the CPU
  bool verbose = false;           // lets Darknet parse the cfg in any case, and shows its layer table
  bool trains = true;             // false: no memory for training passes
  bool reference = false;         // plain layouts, every output stored, nothing fused, no Winograd; slower
  int watched_layer = -1;         // whose output in evaluation passes Network::watched() returns; -1: none

  cpu::RankStatistics* ranks = nullptr;                // other processes train the same network
  const graph::NetworkConfig* precision_of = nullptr;  // on a GPU: whose precision= counts; null: the network's own

  static NetworkSettings evaluation(bool verbose = false, std::shared_ptr<gpu::Gpu> gpu = nullptr) {
    NetworkSettings settings;
    settings.gpu = std::move(gpu);
    settings.verbose = verbose;
    settings.trains = false;
    return settings;
  }
};

class Network {
 public:
  // Where it trains, lets Darknet parse the rewritten cfg and checks that its shapes are those of the config. Makes the
  // executor: kernels, layouts and memory.
  explicit Network(graph::NetworkConfig config, const NetworkSettings& settings = {});
  ~Network();

  const graph::NetworkConfig& config() const { return config_; }
  int batch() const { return config_.mini_batch; }
  int classes() const { return config_.classes(); }

  // Fresh parameters from the counter-based generator; zero momentum and rolling statistics.
  void initialize(uint64_t seed);
  // Where the network runs on a GPU, the parameters there are copies of Darknet's: push() after those have changed,
  // pull() before they are read. On the CPU both do nothing.
  void push() { executor_->push(); }
  void pull() const { executor_->pull(); }
  // Null: the network runs on the CPU.
  gpu::Executor* device() const { return gpu_.get(); }
  // From now on nobody changes the parameters: evaluation transforms them once.
  void freeze() {
    if (cpu_) cpu_->freeze();
  }

  // One pass over a batch. Evaluation (pass->training false) goes through the first pass->count images alone, but reads
  // a whole batch. forward fills pass->loss where there are labels; backward adds gradients to the updates.
  void forward(graph::Pass* pass) { executor_->forward(pass); }
  void backward(graph::Pass* pass) { executor_->backward(pass); }

  // Evaluation in micro-batches, several at once on threads of the caller's, which so never wait for each other at the
  // end of a batch. Only where micro_batch() > 0: it is 0 on a GPU.
  int micro_batch() const { return cpu_ ? cpu_->micro_batch() : 0; }  // images of one, a divisor of batch()
  // To be called whenever parameters have changed, before the micro-batches.
  void prepare_inference() { cpu_->prepare_inference(); }
  // The images [micro_batch()][channels][height][width] through all layers but the last, on the calling thread.
  void infer_micro_batch(const float* images, const cpu::Outputs& to) const { cpu_->infer_micro_batch(images, to); }
  // The rest of an evaluation's forward(), from the outputs of a whole batch's micro-batches; watched() returns
  // `watched`.
  void finish_micro_batches(const float* logits, const float* watched, graph::Pass* pass) {
    cpu_->finish_micro_batches(logits, watched, pass);
  }

  // [batch][classes], after forward.
  const float* probabilities() const { return executor_->probabilities(); }
  const float* logits(const graph::Pass& pass) const { return executor_->logits(pass); }

  // The output of settings.watched_layer, [batch][channels][height][width], after an evaluation pass.
  const float* watched() const { return cpu_ ? cpu_->watched() : nullptr; }
  // Of an image; 0: no layer is watched.
  size_t watched_size() const { return cpu_ ? cpu_->watched_size() : 0; }

  std::vector<graph::Parameter>& parameters() { return parameters_; }
  // All parameters and statistics of the network in the order of the .weights file, layer by layer.
  const host::Blocks& blocks() const { return blocks_; }
  int size() const { return static_cast<int>(config_.layers.size()); }
  // Null where the network only evaluates.
  host::Network* host() const { return host_.get(); }
  // Of a network on the CPU.
  const cpu::Node& node(int index) const { return cpu_->node(index); }
  // Of training passes.
  std::vector<graph::LayerTime>& times() const { return executor_->times(); }
  // Bytes for activations and gradients in training passes.
  size_t training_bytes() const { return executor_->activation_bytes(); }

  // After a training pass's forward: "layer 3 [convolutional]", the first whose values, or else whose parameters, are
  // not finite; "" where all are.
  std::string first_non_finite() const;
  bool parameters_finite() const;
  // The cost's options in words.
  std::string describe_cost() const;

 private:
  void make_host(bool verbose);
  void collect_parameters(bool trains);
  std::string layer_name(int layer) const;

  graph::NetworkConfig config_;
  // One of the two.
  std::unique_ptr<host::Network> host_;
  OwnMemory own_memory_;
  std::vector<graph::Parameter> parameters_;
  host::Blocks blocks_;
  std::vector<std::vector<float>> second_moments_;  // of Adam
  // One of the two.
  std::unique_ptr<cpu::Executor> cpu_;
  std::unique_ptr<gpu::Executor> gpu_;
  graph::Executor* executor_ = nullptr;
};

}  // namespace dng::network
