// A layer's convolution over the whole batch, forward and backward, in training.
#pragma once

#include <functional>
#include <memory>

#include "cpu/convolution/convolution_shape.h"
#include "cpu/node.h"
#include "cpu/shards.h"
#include "graph/pass.h"

namespace dng::cpu {

class BatchConvolution {
 public:
  // Called from several threads at once.
  using OutputWritten = std::function<void(const graph::Range&)>;
  using OutputGradient = std::function<const float*(const graph::Range&, Workspace*)>;

  virtual ~BatchConvolution() = default;
  // Floats of Node::workspace during backward.
  virtual size_t workspace() const { return 0; }
  // Convolves the node's input. Calls written(range) for every range of images that is complete in `out`.
  virtual void forward(const Node& node, const graph::Pass& pass, const float* weights, float* out,
                       const OutputWritten& written) = 0;
  // Accumulates the input's gradient in the node's source where it needs one, and adds that of the weights to `update`.
  virtual void backward(const Node& node, const graph::Pass& pass, const float* weights, const OutputGradient& gradient,
                        float* update) = 0;
};

// Chosen by the shape, whose micro_batch is set here. Weights are in Darknet's layout.
std::unique_ptr<BatchConvolution> make_batch_convolution(ConvolutionShape shape, const Shards& shards);

}  // namespace dng::cpu
