// Memory that all convolutions of a GPU share, one after the other.
#pragma once

#include <memory>
#include <vector>

#include "gpu/gpu.h"

namespace dng::gpu {

class SharedWorkspace {
 public:
  explicit SharedWorkspace(Gpu* gpu) : gpu_(gpu) {}
  // At least so many bytes. False where not enough memory is free.
  bool reserve(size_t bytes);
  // A convolution will need so many bytes from now on; what none does is released.
  void keep(size_t bytes);
  // Of CUDA graphs: they hold the address of the memory, which stays as long as one of them is alive.
  void hold() { ++graphs_; }
  void release();
  void* data() const { return memory_->data(); }
  size_t bytes() const { return memory_->bytes(); }

 private:
  Gpu* gpu_;
  std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
  std::vector<std::unique_ptr<Memory>> held_;
  size_t needed_ = 0;
  int graphs_ = 0;
};

}  // namespace dng::gpu
