// The gradient of a depthwise convolution's weights on blocks of channels (cpu/layout.h), where oneDNN has no kernel
// for it: for windows of 5x5 oneDNN 2.6 multiplies a matrix for each channel, which takes longer than all else in a
// network.
#pragma once

#include "cpu/convolution/convolution_shape.h"

namespace dng::cpu {

class DepthwiseGradient {
 public:
  static bool fits(const ConvolutionShape& shape);
  explicit DepthwiseGradient(const ConvolutionShape& shape) : shape_(shape) {}
  // Floats of a gradient, [row][tap][block].
  size_t size() const;
  // Overwrites it, or adds to it, from a micro-batch.
  void run(const float* in, const float* out_gradient, bool add, float* gradient) const;
  // Into Darknet's order, [channel][tap], with the channels that blocks add.
  void reorder(const float* gradient, float* weights) const;

 private:
  ConvolutionShape shape_;
};

}  // namespace dng::cpu
