// What computes a layer on a device, and what it works on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/layout.h"
#include "engine/op.h"
#include "host/host.h"

namespace dng {

// One forward (and backward) pass over a batch; the same for every layer of it.
struct Pass {
  bool training = false;
  const float* input = nullptr;    // [batch][channels][height][width]
  const int* labels = nullptr;     // [batch], or null: no loss is computed
  const float* teacher = nullptr;  // [batch][classes] probabilities of the teacher, or null
  int count = 0;                   // images that matter; the rest of the batch is padding
  uint64_t seed = 0;
  int64_t first_position = 0;  // of the first image in the training stream: keys dropout masks
  int64_t steps = 0;           // training passes before this one: sets the rate of the rolling statistics
  double epoch = 0;            // epochs done, with fraction: for costs that change with time
  double loss = 0;             // out: the cost, summed over the `count` images
};

// A run of learnable numbers. `update` holds Darknet's combined gradient and momentum buffer: negative gradients,
// summed over the batch, are added to what momentum left.
struct Parameter {
  int layer = 0;
  const char* name = "";
  float* value = nullptr;
  float* update = nullptr;
  int64_t count = 0;
  bool decays = false;    // weights do; biases and scales do not
  float rate_factor = 1;  // learning_rate= of the layer
  bool frozen = false;
};

// A layer of a network that is ready to run.
struct Node {
  const LayerConfig* config = nullptr;
  int index = 0;
  int batch = 0;
  Layout layout = Layout::kPlain;  // of output and delta
  host::Network* host = nullptr;
  float* output = nullptr;
  float* delta = nullptr;      // negative gradient of the summed cost in the output
  std::vector<Node*> sources;  // null: the network's input
  bool alone = true;           // nobody but this node has added to its first source's delta by the time it runs
  std::unique_ptr<Kernel> kernel;
  std::vector<float> own_output, own_delta;  // where a kernel brings its own buffers

  const float* input(const Pass& pass) const { return sources[0] == nullptr ? pass.input : sources[0]->output; }
  // Null where the source is the network's input.
  float* input_delta() const { return sources[0] == nullptr ? nullptr : sources[0]->delta; }
  size_t out_size() const { return config->out.size(); }
  size_t in_size() const { return config->in.size(); }
};

// Which layouts a kernel can read and write.
enum class LayoutUse {
  kPlain,  // plain only
  kEach,   // input and output each in any layout
  kSame,   // any layout, but all inputs and the output in the same
  kInput,  // any input; the output is the same numbers in either layout (height and width are 1)
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual LayoutUse layout_use() const { return LayoutUse::kPlain; }
  // Once, after the host has made the layer: own buffers, primitives, scratch memory.
  virtual void prepare(Node*) {}
  // Reads the sources' output (and pass.input), writes node.output.
  virtual void forward(Node& node, Pass& pass) = 0;
  // Reads node.delta, ADDS to the delta of the sources and to the updates of the parameters. May destroy node.delta.
  virtual void backward(Node& node, Pass& pass) = 0;
  // One line for the start of training, e.g. a cost's weights; empty: nothing to say.
  virtual std::string describe() const { return ""; }
};

// The host's own code for a layer.
class HostKernel final : public Kernel {
 public:
  void forward(Node& node, Pass& pass) override;
  void backward(Node& node, Pass& pass) override;
};

// The kernel that the op has for the device, or the host's own code on the CPU. Throws Error naming the layer, the
// device asked for and the devices there are.
std::unique_ptr<Kernel> make_kernel(const LayerConfig& config, Device device);

}  // namespace dng
