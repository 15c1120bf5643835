// What computes a layer on a device.
#pragma once

#include <memory>
#include <string>

#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/node.h"
#include "cpu/pass.h"
#include "graph/op.h"
#include "host/host.h"
#include "network/parameter.h"

namespace dng::cpu {

// Which layouts a kernel can read and write.
enum class LayoutUse {
  kPlain,  // plain only
  kEach,   // input and output each in any layout
  kSame,   // any layout, but all inputs and the output in the same
  kInput,  // any input; the output is the same numbers in either layout (height and width are 1)
};

// How a kernel takes part in training.
struct Role {
  bool by_range = false;        // uses Node::read and Node::give; else the whole buffers of its sources
  bool lazy = false;            // once forward() ran, compute() gives any range of the output, any number of times
  bool costly = false;          // lazy: computed once and stored, instead of again for every reader
  bool hands_on = false;        // has no backward(): settle() hands the delta on
  bool hands_on_as_is = false;  // hands_on: every source gets the whole delta
  bool changes_delta = false;   // settle() writes to the delta
  bool reads_input = true;      // backward() or settle() does
  bool reads_output = true;     // the same of its own output
  bool measures = false;        // lazy, yet forward() reads the sources
  bool takes_strides = false;   // reads sources through Node::view
  size_t kept = 0;              // floats an image, kept from forward to backward
  size_t workspace = 0;         // floats, during backward()
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual LayoutUse layout_use() const { return LayoutUse::kPlain; }
  // The kernel is this function and nothing else; null: it is more.
  virtual const math::Activation* activation() const { return nullptr; }
  // From now on applies the function to its output, too; false: it cannot.
  virtual bool take_over(math::Activation) { return false; }
  // A 1x1 convolution of stride 1: it can read every n-th row and column of what a [maxpool] of size 1 would thin out.
  virtual bool can_subsample() const { return false; }
  // The output is nothing but every n-th row and column of the first source (n: 1 and more), or something else (0).
  virtual int thins_by() const { return 0; }
  // The output is the sources' channels one behind the other, and nothing else.
  virtual bool joins() const { return false; }
  // Once, after the host has made the layer and the layouts are chosen: primitives, own memory.
  virtual void prepare(Node*) {}
  virtual Role role(const Node&) const { return {}; }

  // Training: the whole batch. Reads the sources; writes node.output unless the kernel is lazy.
  virtual void forward(Node& node, Pass& pass) = 0;
  // Lazy kernels: a range of the output, one image right behind the other. Called from several threads at once.
  virtual void compute(const Node& node, const Pass& pass, const Range& range, float* output, Scratch* scratch);
  // The first step backward on a range of node.delta, which is complete now. Called from several threads at once.
  virtual void settle(Node& node, const Pass& pass, const Range& range, Scratch* scratch);
  // Reads node.delta, ADDS to the delta of the sources and to the updates of the parameters. May destroy node.delta.
  virtual void backward(Node& node, Pass& pass) = 0;

  // Evaluation: prepare_inference before a batch, from one thread, whenever weights may have changed; then infer gives
  // the output of some images (`stride` floats from one to the next) from the same images of the sources, from several
  // threads at once. They are node.inference_piece images. Where strides are not the size of an image, the kernel takes
  // strides.
  virtual bool can_infer() const { return true; }
  virtual void prepare_inference(Node&) {}
  virtual void infer(const Node& node, int images, const View* inputs, float* output, size_t stride,
                     Scratch* scratch) = 0;

  // One line for the start of training, e.g. a cost's weights; empty: nothing to say.
  virtual std::string describe() const { return ""; }
};

// The host's own code for a layer: the whole batch at once, plain layout.
class HostKernel final : public Kernel {
 public:
  void forward(Node& node, Pass& pass) override;
  void backward(Node& node, Pass& pass) override;
  bool can_infer() const override { return false; }
  void infer(const Node&, int, const View*, float*, size_t, Scratch*) override;
};

// The kernel that the op has for the device, or the host's own code on the CPU. Throws Error naming the layer, the
// device asked for and the devices there are.
std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config, graph::Device device);
// The Error for a layer that has no kernel for the device.
[[noreturn]] void fail_no_kernel(const graph::LayerConfig& config, graph::Device device);

}  // namespace dng::cpu
