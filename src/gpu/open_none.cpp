// A build without CUDA.
#include "base/error.h"
#include "gpu/open.h"

namespace dng::gpu {

bool built_in() { return false; }

std::shared_ptr<Gpu> open_first(KernelFactory, std::string*) { return nullptr; }

std::shared_ptr<Gpu> open(int, KernelFactory) {
  fail("this build computes on the CPU only; build it where nvcc and cuDNN are (cmake option GENERATIONS_CUDA)");
}

}  // namespace dng::gpu
