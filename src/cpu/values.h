// Memory for values that are about to be written: not zeroed, so that who writes them, perhaps several
// threads, is the first to touch them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "cpu/workspace.h"

namespace dng::cpu {

class Values {
 public:
  Values() = default;
  explicit Values(size_t size) : size_(size) {
    constexpr size_t kAlignment = 64;
    const size_t bytes = (std::max<size_t>(size, 1) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    memory_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    if (!memory_) throw std::bad_alloc();
  }
  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  size_t size() const { return size_; }

 private:
  Memory memory_;
  size_t size_ = 0;
};

}  // namespace dng::cpu
