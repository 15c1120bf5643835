#include "gpu/gpu.h"

#include "base/error.h"

namespace dng::gpu {

void require_countable(size_t items) {
  constexpr size_t kMax = size_t{1} << 31;  // above, a grid's stride would overflow
  if (items > kMax) {
    fail("a layer has %zu elements in a batch, a kernel counts up to %zu; raise subdivisions=", items, kMax);
  }
}

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
