#include "gpu/built_in_convolution.h"
#include "gpu/cuda/convolution.h"
#include "gpu/operations.cu"
#include "gpu/plain_convolution.h"

namespace dng::cuda {
namespace {

struct NothingBody {
  __device__ void operator()(uint32_t) const {}
};

}  // namespace

int architecture_of_kernels() {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, each_kernel<NothingBody>));
  // Code that was compiled here for another architecture is no better than what it was compiled from.
  return attributes.ptxVersion;
}

std::unique_ptr<gpu::Convolution> make_built_in_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape,
                                                            bool trains, gpu::SharedWorkspace* workspace) {
  return built_in_convolution(gpu, shape, trains, workspace);
}

std::unique_ptr<gpu::Convolution> make_plain_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape) {
  return std::make_unique<PlainConvolution>(gpu, shape);
}

}  // namespace dng::cuda
