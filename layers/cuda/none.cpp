// A build without CUDA.
#include "layers/gpu_kernels.h"

namespace dng::layers {

gpu::KernelFactory gpu_kernels() { return nullptr; }

}  // namespace dng::layers
