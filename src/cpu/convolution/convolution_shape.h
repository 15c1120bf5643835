// The shape of a convolution on a micro-batch, and what it means for the Winograd algorithm
// (cpu/convolution/winograd.h).
#pragma once

#include "cpu/convolution/winograd_tiles.h"
#include "cpu/layout.h"
#include "data/image.h"

namespace dng::cpu {

struct ConvolutionShape {
  int micro_batch = 1;  // images at a time
  data::Geometry in, out;
  Layout in_layout = Layout::kPlain, out_layout = Layout::kPlain;
  int size = 1, stride_y = 1, stride_x = 1, dilation = 1, padding = 0, groups = 1;
  bool direct_only = false;  // never Winograd

  bool strides() const { return stride_y > 1 || stride_x > 1; }
  // Channels with those that blocks add.
  int stored_in() const { return Rows(in, in_layout).channels; }
  int stored_out() const { return Rows(out, out_layout).channels; }
  // A filter for each channel. Each channel that blocks add is a group, too.
  bool depthwise() const { return groups > 1 && groups == in.channels && groups == out.channels; }
  int stored_groups() const { return depthwise() ? stored_in() : groups / merged_groups(); }
  // Groups of a few channels are convolved as one on blocks, with weights of zero between them: a block holds several.
  int merged_groups() const;
  // Whether blocks hold groups, or a whole number of them.
  bool groups_fit_blocks() const;
};

// 3x3 and stride 1 on blocks, with a quarter fewer products than directly (not for images of 1x1 or 2x2: for the
// transformations), on a processor with AVX2, AVX-512 or NEON.
bool winograd_fits(const ConvolutionShape& shape);
// Forward; and rotated backward-data, where in and out are the gradients of the output and of the input. Channels as
// stored.
WinogradShape winograd_shape(const ConvolutionShape& shape);
WinogradShape rotated_winograd_shape(const ConvolutionShape& shape);

}  // namespace dng::cpu
