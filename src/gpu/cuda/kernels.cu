#include "gpu/cuda/convolution.h"
#include "gpu/kernel_sources.h"
#include "gpu/narrow_convolution.h"
#include "gpu/plain_convolution.h"

namespace dng::cuda {

std::unique_ptr<gpu::Convolution> make_narrow_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, bool trains,
                                                          gpu::SharedWorkspace* workspace) {
  return NarrowConvolution::make(gpu, shape, trains, workspace);
}

std::unique_ptr<gpu::Convolution> make_plain_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape) {
  return std::make_unique<PlainConvolution>(gpu, shape);
}

}  // namespace dng::cuda
