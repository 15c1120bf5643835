// The operations of gpu/operations.h for the GPU that this is compiled for.
#pragma once

#include "gpu/launch.h"
#include "gpu/operations.h"

namespace dng::DNG_GPU {

const gpu::Operations& operations();

}  // namespace dng::DNG_GPU
