// Work that is queued again and again: kernel by kernel the first time, then as a CUDA graph.
#pragma once

#include <functional>
#include <memory>

#include "gpu/gpu.h"

namespace dng::gpu {

class RepeatedWork {
 public:
  // `queue` does the same every time, on the same memory.
  void run(Gpu* gpu, const std::function<void()>& queue);
  // The memory is another one from now on.
  void reset() { graph_.reset(); }

 private:
  bool warm_ = false;
  std::unique_ptr<CapturedGraph> graph_;
};

}  // namespace dng::gpu
