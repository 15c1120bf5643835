// A GPU that is none: the sources of the CUDA kernels (layers/*.cu, src/gpu/*.cu) run as loops on the CPU, on memory of
// the host. It tells whether the plan, the kernels' indices and their maths are right; not whether cuDNN, cuBLAS and
// the CUDA runtime are used rightly.
#pragma once

#include <memory>

#include "gpu/gpu.h"

namespace dng::test {

// What it wants free beside networks.
constexpr size_t kEmulatedSpare = size_t{256} << 10;

// `bytes`: how much memory it has. `records`: recordings succeed.
std::shared_ptr<gpu::Gpu> emulated_gpu(size_t bytes = size_t{1} << 40, bool records = true);

}  // namespace dng::test
