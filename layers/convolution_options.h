// The window of [convolutional], as CPU and GPU compute it.
#pragma once

#include "graph/op.h"

namespace dng::layers {

struct ConvolutionWindow {
  int size, stride_y, stride_x, dilation;
  int padding;  // on every side, in pixels of the input

  bool strides() const { return stride_y > 1 || stride_x > 1; }
};

void add_convolution_options(graph::Op* op);
ConvolutionWindow convolution_window(const cfg::Options& options);
// Output height = (height + 2 padding - dilation (size - 1) - 1) / stride + 1. Without antialiasing.
data::Geometry convolution_output(const graph::LayerConfig& layer);
// Throws Error where Darknet would compute something else than this window.
void check_convolution_window(const graph::LayerConfig& layer);

}  // namespace dng::layers
