// A thread's workspace for one task: allocated in parts, released all at once. The same addresses are used task after
// task, so that they stay in the thread's cache.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

namespace dng::cpu {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<float, FreeMemory>;

// Uninitialised, in large pages where the system gives them; null where there is not enough.
Memory allocate_large(size_t floats);

class Workspace {
 public:
  // Uninitialised, aligned to 64 bytes. Throws std::bad_alloc.
  float* take(size_t count);

  // release() frees everything that was taken after mark().
  struct Mark {
    size_t block = 0, used = 0;
  };
  Mark mark() const { return {block_, used_}; }
  void release(const Mark& mark) {
    block_ = mark.block;
    used_ = mark.used;
  }

 private:
  struct Block {
    Memory memory;
    size_t size = 0;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0, used_ = 0;  // of blocks_[block_]
};

// Releases what was taken in its lifetime.
class WorkspaceFrame {
 public:
  explicit WorkspaceFrame(Workspace* workspace) : workspace_(workspace), mark_(workspace->mark()) {}
  ~WorkspaceFrame() { workspace_->release(mark_); }
  WorkspaceFrame(const WorkspaceFrame&) = delete;
  WorkspaceFrame& operator=(const WorkspaceFrame&) = delete;

 private:
  Workspace* workspace_;
  Workspace::Mark mark_;
};

}  // namespace dng::cpu
