// One block of memory for the buffers of a network.
#pragma once

#include <cstddef>

#include "cpu/workspace.h"

namespace dng::cpu {

// Zeroed memory, in large pages where the system gives them. Throws Error saying how much was asked for.
class Arena {
 public:
  void allocate(size_t floats);
  float* at(size_t offset) const { return memory_.get() + offset; }
  size_t size() const { return size_; }

 private:
  Memory memory_;
  size_t size_ = 0;
};

}  // namespace dng::cpu
