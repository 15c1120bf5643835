// What computes a layer on the CPU.
#pragma once

#include <memory>
#include <string>

#include "cpu/layout.h"
#include "cpu/loops/row_math.h"
#include "cpu/node.h"
#include "cpu/shards.h"
#include "graph/kernel.h"
#include "graph/op.h"
#include "graph/parameter.h"
#include "graph/pass.h"
#include "host/host.h"

namespace dng::cpu {

struct RankStatistics;

// Which layouts a kernel can read and write.
enum class LayoutUse {
  kPlain,  // plain only
  kEach,   // input and output each in any layout
  kSame,   // any layout, but all inputs and the output in the same
  kInput,  // any input; the output is the same in either layout (height and width are 1)
};

// What the kernels of a network are prepared for.
struct Setup {
  Shards shards;
  bool trains = true;
  bool reference = false;  // no faster approximation

  RankStatistics* ranks = nullptr;  // of batch norms; null: no other process trains this network
};

class Kernel : public graph::Kernel {
 public:
  virtual LayoutUse layout_use() const { return LayoutUse::kPlain; }
  // Once, after Darknet has made the layer and the layouts are chosen: primitives, own memory.
  virtual void prepare(const Node&, const Setup&) {}
  // `saved` is for one image here.
  virtual graph::Role role(const Node&) const { return {}; }
  graph::Role training_role(const graph::Node& node) const final;

  // Training: the whole batch. Reads the sources; writes node.output unless the kernel is lazy.
  virtual void forward(const Node&, graph::Pass&) {}
  // Lazy kernels: a range of the output, one image right behind the other. Called from several threads at once.
  virtual void compute(const Node&, const graph::Pass&, const graph::Range&, float* /*output*/, Workspace*) {}
  // The backward epilogue: the first step backward on a range of node.delta, which is complete now. Called from several
  // threads at once.
  virtual void backward_epilogue(const Node&, const graph::Pass&, const graph::Range&, Workspace*) {}
  // Reads node.delta, ADDS to the delta of the sources and to the updates of the parameters. May destroy node.delta.
  virtual void backward(const Node&, graph::Pass&) {}

  // Evaluation: prepare_inference before a batch, from one thread, whenever weights may have changed; then infer
  // computes the output of `images` images, Node::inference_micro_batch (`stride` floats from one to the next), from
  // the same images of the sources, from several threads at once. Where strides are not the size of an image, the
  // kernel takes strides.
  virtual void prepare_inference(const Node&) {}
  virtual void infer(const Node&, int /*images*/, const View* /*inputs*/, float* /*output*/, size_t /*stride*/,
                     Workspace*) {}
};

// The op's kernel for the layer's options.
std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config);

}  // namespace dng::cpu
