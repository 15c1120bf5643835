#include "gpu/gpu.h"

namespace dng::gpu {

bool Memory::allocate(Gpu* gpu, size_t bytes) {
  reset();
  if (bytes == 0) return true;
  data_ = static_cast<char*>(gpu->allocate(bytes));
  if (data_ == nullptr) return false;
  gpu_ = gpu;
  bytes_ = bytes;
  gpu->zero(data_, bytes);
  return true;
}

void Memory::reset() {
  if (data_ != nullptr) gpu_->release(data_);
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace dng::gpu
