// What computes a layer on a GPU.
//
// All activations are [batch][height][width][channels] (NHWC), of one type throughout the network. The logits
// are float where a [connected] writes them and only the cost reads them (Needs::float_output); those of a convolution
// or an [avgpool] are of that type, too, rounded to 8 bits in bf16. `delta` is Darknet's: the negative gradient of the
// summed cost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/label_mix.h"
#include "gpu/gpu.h"
#include "gpu/step_input.h"
#include "graph/kernel.h"
#include "graph/node.h"
#include "host/host.h"

namespace dng::gpu {

// A block of parameters or statistics on the device.
struct Values {
  float* value = nullptr;
  float* gradient = nullptr;      // the negative gradient, added to; null for statistics
  void* copy = nullptr;           // of the values, in the type of the activations (float: the values themselves)
  void* copy_gradient = nullptr;  // where a gradient in that type goes; overwritten, and added to `gradient` afterwards
  int64_t count = 0;
};

class Kernel;
struct Node;

Node* node_of(const graph::Edge& edge);

struct Node final : graph::Node {
  Node();
  ~Node() override;

  Gpu* gpu = nullptr;
  Precision precision = Precision::kFp32;
  Type type = Type::kFloat;  // of output and delta
  Type in_type = Type::kFloat;
  bool trains = true;  // training passes will come

  Values bias, scale, mean, variance, weights;

  void* output = nullptr;
  void* delta = nullptr;
  void* saved = nullptr;       // [Needs::saved], from forward to backward
  float* constants = nullptr;  // [Needs::constants], for ever
  void* workspace = nullptr;   // [Needs::workspace], while the kernel works
  SumsWorkspace sums;
  const void* network_input = nullptr;
  std::unique_ptr<Kernel> kernel;

  const data::Geometry& out() const { return config->out; }
  // Pixels of the whole batch.
  size_t rows() const {
    return static_cast<size_t>(batch) * static_cast<size_t>(out().height) * static_cast<size_t>(out().width);
  }
  size_t size() const { return static_cast<size_t>(batch) * out().size(); }
  graph::Kernel& graph_kernel() const override;
  size_t output_floats() const override;
  bool same_memory(const graph::Node& other) const override;
  Node* source(size_t slot = 0) const { return node_of(sources[slot]); }
  Type type_of(size_t slot) const { return sources[slot].node == nullptr ? in_type : source(slot)->type; }
  const void* input(size_t slot = 0) const {
    return sources[slot].node == nullptr ? network_input : source(slot)->output;
  }
  // Null where it is not needed.
  void* input_delta(size_t slot = 0) const { return sources[slot].needs_gradient() ? source(slot)->delta : nullptr; }
};

// One forward (and backward) pass over the batch. All but `training` is the same in every replay of a CUDA graph.
struct Pass {
  bool training = false;
  bool scored = true;               // the cost is computed where there are labels
  const StepInput* step = nullptr;  // on the device
  const int* labels = nullptr;      // on the device, [batch]
  const LabelMix* mixes = nullptr;  // on the device, [batch]
  const float* teacher = nullptr;   // on the device, [batch][classes]
  StepResult* results = nullptr;    // on the device: out, for StepInput::slot
  float* probabilities = nullptr;   // on the device, [batch][classes]: out
};

// What a kernel needs, in bytes.
struct Needs {
  // Of a kernel whose backward pass reads neither its input nor its output.
  static Needs neither() { return output_of(math::Activation::kLinear); }
  // Of a kernel whose backward pass reads its output alone, and that only for the gradient of the activation.
  static Needs output_of(math::Activation activation) {
    Needs needs;
    needs.reads_input = false;
    needs.reads_output = activation != math::Activation::kLinear;
    return needs;
  }
  bool reads_input = true;           // backward() does
  bool reads_output = true;          // the same of its own output
  bool gradient_in_forward = false;  // a cost: forward() writes its source's gradient
  bool float_output = false;         // can write its output as float whatever the activations are
  size_t saved = 0;                  // from forward to backward
  size_t constants = 0;              // floats, for ever
  size_t workspace = 0;              // while it works
};

class Kernel : public graph::Kernel {
 public:
  graph::Role training_role(const graph::Node& node) const final;

  // The batch statistics of its gradient, for a kernel that writes its delta and can compute them along the way; false:
  // it has none, or they do not follow from its delta alone. Whoever has computed them in a backward pass says so.
  virtual bool gradient_statistics(const Node&, GradientStatistics*) const { return false; }
  virtual void gradient_statistics_computed() {}

  virtual Needs needs(const Node&) const { return {}; }
  // Once, when all memory has been allocated.
  virtual void prepare(const Node&) {}

  // The whole batch. forward is for training; infer for evaluation, after prepare_inference wherever weights may have
  // changed.
  virtual void forward(const Node& node, const Pass& pass) = 0;
  // Reads node.delta (and may destroy it); writes or adds to the delta of the sources; adds to the gradients.
  virtual void backward(const Node& node, const Pass& pass) = 0;
  virtual void prepare_inference(const Node&) {}
  virtual void infer(const Node& node, const Pass& pass) { forward(node, pass); }
};

}  // namespace dng::gpu
