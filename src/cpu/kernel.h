// What computes a layer on the CPU.
#pragma once

#include <memory>
#include <string>

#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/node.h"
#include "graph/kernel.h"
#include "graph/op.h"
#include "graph/parameter.h"
#include "graph/pass.h"
#include "host/host.h"

namespace dng::cpu {

// Which layouts a kernel can read and write.
enum class LayoutUse {
  kPlain,  // plain only
  kEach,   // input and output each in any layout
  kSame,   // any layout, but all inputs and the output in the same
  kInput,  // any input; the output is the same numbers in either layout (height and width are 1)
};

class Kernel : public graph::Kernel {
 public:
  virtual LayoutUse layout_use() const { return LayoutUse::kPlain; }
  // Once, after the host has made the layer and the layouts are chosen: primitives, own memory.
  virtual void prepare(Node*) {}
  // `saved` is for one image here.
  virtual graph::Role role(const Node&) const { return {}; }
  graph::Role training_role(const graph::Node& node) const final;

  // Training: the whole batch. Reads the sources; writes node.output unless the kernel is lazy.
  virtual void forward(Node& node, graph::Pass& pass) = 0;
  // Lazy kernels: a range of the output, one image right behind the other. Called from several threads at once.
  virtual void compute(const Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
                       Workspace* workspace);
  // The backward epilogue: the first step backward on a range of node.delta, which is complete now. Called from several
  // threads at once.
  virtual void backward_epilogue(Node& node, const graph::Pass& pass, const graph::Range& range, Workspace* workspace);
  // Reads node.delta, ADDS to the delta of the sources and to the updates of the parameters. May destroy node.delta.
  virtual void backward(Node& node, graph::Pass& pass) = 0;

  // Evaluation: prepare_inference before a batch, from one thread, whenever weights may have changed; then infer gives
  // the output of some images (`stride` floats from one to the next) from the same images of the sources, from several
  // threads at once. They are node.inference_micro_batch images. Where strides are not the size of an image, the kernel
  // takes strides.
  virtual bool can_infer() const { return true; }
  virtual void prepare_inference(Node&) {}
  virtual void infer(const Node& node, int images, const View* inputs, float* output, size_t stride,
                     Workspace* workspace) = 0;
};

// The host's own code for a layer: the whole batch at once, plain layout.
class HostKernel final : public Kernel {
 public:
  void forward(Node& node, graph::Pass& pass) override;
  void backward(Node& node, graph::Pass& pass) override;
  bool can_infer() const override { return false; }
  void infer(const Node&, int, const View*, float*, size_t, Workspace*) override;
};

// The kernel that the op has for the device, or the host's own code on the CPU. Throws Error naming the layer, the
// device asked for and the devices there are.
std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config, graph::Device device);

}  // namespace dng::cpu
