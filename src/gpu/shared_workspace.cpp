#include "gpu/shared_workspace.h"

#include <algorithm>

#include "base/error.h"

namespace dng::gpu {

bool SharedWorkspace::reserve(size_t bytes) {
  if (bytes <= memory_.bytes()) return true;
  if (recordings_ > 0) fail("a convolution was made while a recorded step is alive: please report this error");
  gpu_->finish();
  const size_t before = memory_.bytes();
  if (memory_.allocate(gpu_, bytes)) return true;
  if (before > 0 && !memory_.allocate(gpu_, before)) fail("the GPU's memory went away; another program has taken it");
  return false;
}

void SharedWorkspace::keep(size_t bytes) {
  kept_ = std::max(kept_, bytes);
  if (recordings_ > 0 || memory_.bytes() <= kept_) return;
  gpu_->finish();
  if (!memory_.allocate(gpu_, kept_)) fail("the GPU's memory went away; another program has taken it");
}

}  // namespace dng::gpu
