// What computes a layer on a GPU.
//
// All activations lie as [batch][height][width][channels] (NHWC), of one type throughout the network. The logits
// are float where a [connected] writes them and only the cost reads them (Needs::float_output); those of a convolution
// or an [avgpool] are of that type too, rounded to 8 bits in bf16. `delta` is Darknet's: the negative gradient of the
// summed cost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu/gpu.h"
#include "gpu/step_input.h"
#include "host/host.h"
#include "math/activation.h"

namespace dng::gpu {

struct Node;

// An edge: what a node reads, and what becomes of the gradient in it.
struct Source {
  Node* node = nullptr;  // null: the network's input
  bool wanted = false;   // its gradient is wanted
  bool only = false;     // nobody else gives to its delta
  bool add = false;      // somebody has given to its delta before in a backward pass: add instead of overwriting
};

// A block of parameters or statistics on the device.
struct Values {
  float* value = nullptr;
  float* gradient = nullptr;      // the negative gradient, added to; null for statistics
  void* copy = nullptr;           // of the values, in the type of the activations (float: the values themselves)
  void* copy_gradient = nullptr;  // where a gradient in that type goes; overwritten, and added to `gradient` afterwards
  int64_t count = 0;
};

struct Node {
  const graph::LayerConfig* config = nullptr;
  int index = 0;
  int batch = 0;
  Gpu* gpu = nullptr;
  Precision precision = Precision::kFp32;
  Type type = Type::kFloat;  // of output and delta
  std::vector<Source> sources;
  data::Geometry in;  // what the first source gives
  Type in_type = Type::kFloat;
  int subsample = 1;      // of which every n-th row and column is read
  bool bypassed = false;  // its readers read what it would have read: it never runs
  bool trains = true;     // training passes will come
  bool learns = true;     // false: its parameters are frozen
  bool reached = false;   // the cost depends on it, and something it depends on learns
  bool measured = false;  // in a backward pass: who gave its delta has made the sums of its gradient, too
  bool sums = false;      // the kernel took over a shortcut: the last source is added, and is given its gradient first

  Values bias, scale, mean, variance, weights;

  void* output = nullptr;
  void* delta = nullptr;
  void* kept = nullptr;        // [Needs::kept], from forward to backward
  float* constants = nullptr;  // [Needs::constants], for ever
  void* workspace = nullptr;   // [Needs::workspace], while the kernel works
  float* partial = nullptr;    // for sums over blocks, see gpu/launch.h
  unsigned* counters = nullptr;
  const void* network_input = nullptr;
  std::unique_ptr<Kernel> kernel;

  const data::Geometry& out() const { return config->out; }
  // Pixels of the whole batch.
  size_t rows() const {
    return static_cast<size_t>(batch) * static_cast<size_t>(out().height) * static_cast<size_t>(out().width);
  }
  size_t size() const { return static_cast<size_t>(batch) * out().size(); }
  const data::Geometry& shape_of(size_t slot) const {
    return sources[slot].node == nullptr ? config->in : sources[slot].node->config->out;
  }
  Type type_of(size_t slot) const { return sources[slot].node == nullptr ? in_type : sources[slot].node->type; }
  const void* input(size_t slot = 0) const {
    return sources[slot].node == nullptr ? network_input : sources[slot].node->output;
  }
  // Null where it is not wanted.
  void* input_delta(size_t slot = 0) const { return sources[slot].wanted ? sources[slot].node->delta : nullptr; }
};

// One forward (and backward) pass over the batch. All but `training` is the same for every pass of a recording.
struct Pass {
  bool training = false;
  bool scored = true;               // the cost is computed where there are labels
  const StepInput* step = nullptr;  // on the device
  const int* labels = nullptr;      // on the device, [batch]
  const float* teacher = nullptr;   // on the device, [batch][classes]
  StepResult* results = nullptr;    // on the device: out, for StepInput::slot
  float* probabilities = nullptr;   // on the device, [batch][classes]: out
};

// What a kernel asks for, in bytes.
struct Needs {
  bool reads_input = true;    // backward() does
  bool reads_output = true;   // the same of its own output
  bool float_output = false;  // can write its output as float whatever the activations are
  size_t kept = 0;            // from forward to backward
  size_t constants = 0;       // floats, for ever
  size_t workspace = 0;       // while it works
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // As on the CPU (cpu/kernel.h).
  virtual const math::Activation* activation() const { return nullptr; }
  virtual bool take_over(math::Activation) { return false; }
  virtual bool can_subsample() const { return false; }
  virtual int thins_by() const { return 0; }
  // The output is activation(sum of both sources), of equal shapes, and nothing else.
  virtual const math::Activation* sum_activation() const { return nullptr; }
  // From now on adds the output of another node, its last source, before it applies this activation; false: it cannot.
  virtual bool take_sum(math::Activation) { return false; }

  // What it sums over its delta before anything else, for the one who writes that delta; false: nothing, or not from
  // its delta alone.
  virtual bool gradient_measurement(Node&, GradientMeasurement*) const { return false; }

  virtual Needs needs(const Node&) const { return {}; }
  // Once, when all memory is there.
  virtual void prepare(Node*) {}

  // The whole batch. forward is for training; infer for evaluation, after prepare_inference wherever weights may have
  // changed.
  virtual void forward(Node& node, const Pass& pass) = 0;
  // Reads node.delta (and may destroy it); writes or adds to the delta of the sources; adds to the gradients.
  virtual void backward(Node& node, const Pass& pass) = 0;
  virtual void prepare_inference(Node&) {}
  virtual void infer(Node& node, const Pass& pass) { forward(node, pass); }

  virtual std::string describe() const { return ""; }
};

}  // namespace dng::gpu
