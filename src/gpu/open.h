// Opens the GPU that this build knows how to use.
#pragma once

#include <memory>

#include "gpu/gpu.h"

namespace dng::gpu {

// Built with the CUDA kernels.
bool built_in();
// GPUs that there are; 0 in a build without CUDA, and where there is no driver.
int count();
// Throws Error: no such device, a driver or a device that is too old.
std::shared_ptr<Gpu> open(int number);

}  // namespace dng::gpu
