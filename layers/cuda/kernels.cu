// All layers' kernels, as nvcc compiles them.
#include "layers/gpu_kernels.h"

#include "kernel_sources.h"

namespace dng::layers {

gpu::KernelFactory gpu_kernels() { return cuda::make_kernel; }

}  // namespace dng::layers
