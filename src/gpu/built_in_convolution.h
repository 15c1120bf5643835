// The convolutions that are kernels of this program.
#pragma once

#include "gpu/depthwise_convolution.h"
#include "gpu/small_channel_convolution.h"

namespace dng::DNG_GPU {

// Null: a library convolves.
inline std::unique_ptr<gpu::Convolution> built_in_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape,
                                                              bool trains, gpu::SharedWorkspace* workspace) {
  if (shape.depthwise()) return std::make_unique<DepthwiseConvolution>(gpu, shape, trains, workspace);
  return SmallChannelConvolution::make(gpu, shape, trains, workspace);
}

}  // namespace dng::DNG_GPU
