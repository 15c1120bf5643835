// A network that is ready to run: the host's layers, our kernels, and the plan that ties them together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/kernel.h"
#include "engine/network_config.h"

namespace dng {

struct NetworkSettings {
  Device device = Device::kCpu;
  bool verbose = false;  // shows the host's layer table
  bool plain = false;    // every edge in plain layout: slower; for comparison
};

class Network {
 public:
  // Lets the host parse the rewritten cfg, binds a kernel to every layer, checks that the host's shapes are ours, and
  // plans the memory layout of every edge.
  explicit Network(NetworkConfig config, const NetworkSettings& settings = {});

  const NetworkConfig& config() const { return config_; }
  int batch() const { return config_.mini_batch; }
  int classes() const { return config_.classes(); }

  // Fresh parameters from the counter-based generator; zero momentum and rolling statistics.
  void initialize(uint64_t seed);

  // One pass over a batch. forward fills pass->loss where there are labels; backward adds gradients to the updates.
  void forward(Pass* pass);
  void backward(Pass* pass);

  // [batch][classes], after forward.
  const float* probabilities() const { return nodes_.back()->output; }
  const float* logits(const Pass& pass) const { return nodes_.back()->input(pass); }

  std::vector<Parameter>& parameters() { return parameters_; }
  // All numbers of the network in the order of the .weights file, layer by layer.
  const std::vector<std::vector<host::Block>>& blocks() const { return blocks_; }
  const Node& node(int index) const { return *nodes_[static_cast<size_t>(index)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  // A layer's output or delta as Darknet lays it out, whatever the plan chose; for whoever looks in from outside.
  std::vector<float> plain_output(int index) const { return plain(index, node(index).output); }
  std::vector<float> plain_delta(int index) const { return plain(index, node(index).delta); }

  // "layer 3 [convolutional]": the first layer whose output, or else whose parameters, are not finite; "" where all
  // are.
  std::string first_non_finite() const;
  bool parameters_finite() const;
  // What the cost's options amount to.
  std::string describe_cost() const { return nodes_.back()->kernel->describe(); }
  // "layers 0-3, 7 run on the host's code", or "" where none does.
  std::string host_layers() const;

 private:
  void choose_layouts();
  std::vector<float> plain(int index, const float* values) const;

  NetworkConfig config_;
  std::unique_ptr<host::Network> host_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Parameter> parameters_;
  std::vector<std::vector<host::Block>> blocks_;
  int first_trained_ = 0;  // layers before it are frozen (stopbackward)
};

}  // namespace dng
