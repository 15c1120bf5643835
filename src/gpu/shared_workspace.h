// Memory that all convolutions of a GPU share, one after the other.
#pragma once

#include "gpu/gpu.h"

namespace dng::gpu {

class SharedWorkspace {
 public:
  explicit SharedWorkspace(Gpu* gpu) : gpu_(gpu) {}
  // At least so many bytes. Not while CUDA graphs are alive: they hold the address. False where not enough memory is
  // free.
  bool reserve(size_t bytes);
  // A convolution will need so many bytes from now on; what none does is released.
  void keep(size_t bytes);
  // Of CUDA graphs that use the memory.
  void hold() { ++graphs_; }
  void release() { --graphs_; }
  void* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }

 private:
  Gpu* gpu_;
  Memory memory_;
  size_t needed_ = 0;
  int graphs_ = 0;
};

}  // namespace dng::gpu
