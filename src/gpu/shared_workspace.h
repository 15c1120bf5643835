// Memory that all convolutions of a GPU share, one after the other.
#pragma once

#include "gpu/gpu.h"

namespace dng::gpu {

class SharedWorkspace {
 public:
  explicit SharedWorkspace(Gpu* gpu) : gpu_(gpu) {}
  // At least so much. Not while recordings are alive: they hold the address. False where there is not so much memory.
  bool reserve(size_t bytes);
  // A convolution goes on needing so much; what nobody does is given back.
  void keep(size_t bytes);
  // A recording begins and ends to live.
  void hold() { ++recordings_; }
  void let_go() { --recordings_; }
  void* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }

 private:
  Gpu* gpu_;
  Memory memory_;
  size_t kept_ = 0;
  int recordings_ = 0;
};

}  // namespace dng::gpu
