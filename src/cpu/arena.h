// One block of memory for many buffers: those that are never needed at the same time lie at the same place.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cpu/scratch.h"

namespace dng::cpu {

// A buffer that holds numbers from tick `birth` to tick `death`, both included.
struct Buffer {
  size_t size = 0;  // floats
  int birth = 0, death = 0;
  size_t offset = 0;  // out: where it starts, in floats; a multiple of 16
};

// Fills the offsets; returns the floats that are needed in all.
size_t place(std::vector<Buffer>* buffers);

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
