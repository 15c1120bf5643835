#include "cpu/arena.h"

#include <algorithm>

#include "base/error.h"

namespace dng::cpu {

void Arena::allocate(size_t floats) {
  memory_.reset();
  size_ = floats;
  memory_ = allocate_large(floats);
  if (!memory_) {
    fail("the network's buffers need %.1f GiB, more than is available; raise subdivisions= or lower batch=",
         static_cast<double>(floats) * sizeof(float) / (1 << 30));
  }
  std::fill_n(memory_.get(), floats, 0.0f);
}

}  // namespace dng::cpu
