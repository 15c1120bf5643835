// Opens the GPU that this build knows how to use.
#pragma once

#include <memory>
#include <string>

#include "gpu/gpu.h"

namespace dng::gpu {

// Built with the CUDA kernels.
bool built_in();
// `kernels`: those of the layers.
// The first GPU that is new enough; null where there is none, and then why, if there is a GPU (or a driver) at all.
std::shared_ptr<Gpu> open_first(KernelFactory kernels, std::string* why);
// Throws Error: no such device, a driver or a device that is too old.
std::shared_ptr<Gpu> open(int number, KernelFactory kernels);

}  // namespace dng::gpu
