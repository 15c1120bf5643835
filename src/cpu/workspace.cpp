#include "cpu/workspace.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace dng::cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFloatsPerLine = kAlignment / sizeof(float);
constexpr size_t kSmallestBlock = size_t{1} << 20;
constexpr size_t kLargePage = size_t{2} << 20;

}  // namespace

Memory allocate_large(size_t floats) {
  const size_t bytes = (std::max<size_t>(floats, 1) * sizeof(float) + kLargePage - 1) / kLargePage * kLargePage;
  Memory memory(static_cast<float*>(std::aligned_alloc(kLargePage, bytes)));
  if (memory) madvise(memory.get(), bytes, MADV_HUGEPAGE);
  return memory;
}

float* Workspace::take(size_t count) {
  count = (std::max<size_t>(count, 1) + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
  while (block_ < blocks_.size() && blocks_[block_].size - used_ < count) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t size = std::max(count, kSmallestBlock);
    Block block{allocate_large(size), size};
    if (!block.memory) throw std::bad_alloc();
    blocks_.push_back(std::move(block));
    used_ = 0;
  }
  float* taken = blocks_[block_].memory.get() + used_;
  used_ += count;
  return taken;
}

}  // namespace dng::cpu
