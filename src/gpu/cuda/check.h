// Turns errors of the CUDA runtime into this program's.
#pragma once

#include <cuda_runtime.h>

namespace dng::cuda {

// Throws Error: what the driver says, and what to do.
[[noreturn]] void fail_cuda(cudaError_t error);
inline void check(cudaError_t error) {
  if (error != cudaSuccess) fail_cuda(error);
}

}  // namespace dng::cuda
