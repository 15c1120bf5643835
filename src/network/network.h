// A network that is ready to run: the host's layers, our kernels, and the plan that ties them together.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cpu/arena.h"
#include "cpu/inference_plan.h"
#include "cpu/kernel.h"
#include "cpu/wiring.h"
#include "graph/network_config.h"

namespace dng::gpu {
class Gpu;
class Network;
}  // namespace dng::gpu

namespace dng::network {

struct NetworkSettings {
  std::shared_ptr<gpu::Gpu> gpu;  // null: runs on the CPU
  bool verbose = false;           // shows the host's layer table
  bool trains = true;             // false: no memory for training passes
  bool reference = false;  // the plain way: plain layouts, every output stored, nothing fused, no Winograd; slower
  int watched_layer = -1;  // whose output in evaluation passes is kept for Network::watched(); -1: none

  const graph::NetworkConfig* precision_of = nullptr;  // on a GPU: whose precision= counts; null: the network's own

  static NetworkSettings evaluation(bool verbose = false, std::shared_ptr<gpu::Gpu> gpu = nullptr) {
    NetworkSettings settings;
    settings.gpu = std::move(gpu);
    settings.verbose = verbose;
    settings.trains = false;
    return settings;
  }
};

// What an evaluation leaves of some images, one image right behind the other.
struct Outputs {
  float* logits = nullptr;   // [images][classes]
  float* watched = nullptr;  // [images][channels][height][width] of the watched layer, where one is
};

// Seconds spent in a layer since the network was made.
struct LayerTime {
  double forward = 0;
  double backward = 0;
};

class Network {
 public:
  // Lets the host parse the rewritten cfg, binds a kernel to every layer, checks that the host's shapes are ours, and
  // plans layouts and memory.
  explicit Network(graph::NetworkConfig config, const NetworkSettings& settings = {});
  ~Network();

  const graph::NetworkConfig& config() const { return config_; }
  int batch() const { return config_.mini_batch; }
  int classes() const { return config_.classes(); }

  // Fresh parameters from the counter-based generator; zero momentum and rolling statistics.
  void initialize(uint64_t seed);
  // Where the network runs on a GPU, the numbers there are copies of the host's: push() after the host's have changed,
  // pull() before they are read. On the CPU there is nothing to do.
  void push();
  void pull() const;
  // Null: the network runs on the CPU.
  gpu::Network* device() const { return device_.get(); }
  // From now on nobody changes the parameters: what evaluation makes of them is made once.
  void freeze() {
    frozen_ = true;
    prepared_ = false;
  }

  // One pass over a batch. Evaluation (pass->training false) goes through the first pass->count images alone, but reads
  // a whole batch. forward fills pass->loss where there are labels; backward adds gradients to the updates.
  void forward(cpu::Pass* pass);
  void backward(cpu::Pass* pass);

  // Evaluation in pieces, several at once on threads of the caller's, which so never wait for each other at the end of
  // a batch. Only where piece() > 0: it is 0 on a GPU and where layers run on the host's code, which take whole
  // batches.
  int piece() const;  // images of one, a divisor of batch()
  // To be called whenever parameters have changed, before the pieces.
  void prepare_inference();
  // The images [piece()][channels][height][width] through all layers but the last, on the calling thread.
  void infer_piece(const float* images, const Outputs& to) const;
  // The rest of an evaluation's forward(), from what the pieces of a whole batch left; watched() stays there.
  void finish_pieces(const float* logits, const float* watched, cpu::Pass* pass);

  // [batch][classes], after forward.
  const float* probabilities() const;
  const float* logits(const cpu::Pass& pass) const;

  // The output of settings.watched_layer, [batch][channels][height][width], after an evaluation pass.
  const float* watched() const { return watched_; }
  size_t watched_size() const;  // of an image; 0: no layer is watched

  std::vector<Parameter>& parameters() { return parameters_; }
  // All numbers of the network in the order of the .weights file, layer by layer.
  const std::vector<std::vector<host::Block>>& blocks() const { return blocks_; }
  const cpu::Node& node(int index) const { return *nodes_[static_cast<size_t>(index)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  // Of training passes.
  const std::vector<LayerTime>& times() const { return times_; }
  std::vector<LayerTime>& times() { return times_; }
  // Bytes for activations and gradients in training passes.
  size_t training_bytes() const;

  // After a training pass's forward: "layer 3 [convolutional]", the first whose numbers, or else whose parameters, are
  // not finite; "" where all are.
  std::string first_non_finite() const;
  bool parameters_finite() const;
  // What the cost's options amount to.
  std::string describe_cost() const;
  // "layers 0-3, 7 run on the host's code", or "" where none does.
  std::string host_layers() const;

 private:
  void make_nodes(const NetworkSettings& settings);
  void make_memory(const NetworkSettings& settings);
  void collect_parameters();
  void train_forward(cpu::Pass* pass);
  void infer(cpu::Pass* pass);
  void infer_whole_layers(cpu::Pass* pass);
  void infer_piece(const float* images, const Outputs& to, cpu::Scratch* scratch) const;
  void infer_layers(int first, int end, const float* images, const cpu::Range& part, const Outputs& to, float* memory,
                    cpu::Scratch* scratch) const;
  bool runs_on_host(const cpu::Node& node) const;

  graph::NetworkConfig config_;
  std::unique_ptr<host::Network> host_;
  cpu::Nodes nodes_;
  std::vector<Parameter> parameters_;
  std::vector<std::vector<host::Block>> blocks_;
  int first_trained_ = 0;  // layers before it are frozen (stopbackward)
  bool any_host_ = false;  // some layer runs on the host's code
  bool frozen_ = false, prepared_ = false;
  cpu::Arena arena_;
  cpu::InferencePlan inference_;
  std::vector<float> logits_, probabilities_, own_watched_;
  const float* watched_ = nullptr;
  const cpu::Node* watched_node_ = nullptr;
  std::vector<LayerTime> times_;
  std::unique_ptr<gpu::Network> device_;
};

}  // namespace dng::network
