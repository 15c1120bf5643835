#include "gpu/shared_workspace.h"

#include <algorithm>

#include "base/error.h"

namespace dng::gpu {

bool SharedWorkspace::reserve(size_t bytes) {
  if (bytes <= memory_->bytes()) return true;
  gpu_->finish();
  if (graphs_ > 0) {
    held_.push_back(std::move(memory_));
    memory_ = std::make_unique<Memory>();
  }
  const size_t before = memory_->bytes();
  if (memory_->allocate(gpu_, bytes)) return true;
  if (before > 0 && !memory_->allocate(gpu_, before)) fail("the GPU's memory went away; another program has taken it");
  if (graphs_ > 0) {
    memory_ = std::move(held_.back());
    held_.pop_back();
  }
  return false;
}

void SharedWorkspace::keep(size_t bytes) {
  needed_ = std::max(needed_, bytes);
  if (graphs_ > 0 || memory_->bytes() <= needed_) return;
  gpu_->finish();
  if (!memory_->allocate(gpu_, needed_)) fail("the GPU's memory went away; another program has taken it");
}

void SharedWorkspace::release() {
  if (--graphs_ > 0 || held_.empty()) return;
  gpu_->finish();
  held_.clear();
}

}  // namespace dng::gpu
