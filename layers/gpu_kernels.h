// The layers' kernels for the GPU that this build knows how to use.
#pragma once

#include "gpu/gpu.h"

namespace dng::layers {

// Null in a build without CUDA.
gpu::KernelFactory gpu_kernels();

}  // namespace dng::layers
