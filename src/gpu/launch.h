// Starts kernels: the same source on the GPU (read by nvcc) and as loops on the CPU (read by any compiler, for tests).
// Everything that is launched stands in the namespace DNG_GPU, which is another one for each.
//
//   each(gpu, n, body)            body(i) for every i below n, in any order
//   each_in_column(gpu, n, columns, body)
//                                 body(i, column, body.column(column)) for every i below n, column being i % columns:
//                                 what holds for a column is read once for many of its elements
//   blocks(gpu, x, y, body)       body(block, shared) for x times y blocks of kThreads threads. Within a body, every
//                                 step that threads do on their own is a block.each_thread([&](int thread) {...});
//                                 what one of them wrote to `shared` the others may read after a block.barrier().
//   blocks_with(gpu, x, y, bytes, body)
//                                 the same with so many bytes for `shared`, a char*; kMaxShared at most. A step of
//                                 whole warps is a block.each_warp([&](int warp) {...}) (gpu/tile.h).
//   samples(gpu, n, body)         body(i, lanes) for every i below n, with a warp each (layers/costs/)
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/gpu.h"

#if defined(__CUDACC__)
#include "gpu/cuda/check.h"
#define DNG_GPU cuda
#define DNG_UNROLL _Pragma("unroll")
#else
#include <cstring>
#include <functional>
#include <vector>

#include "math/cost_row.h"
#define DNG_GPU emulated
#define DNG_UNROLL
#endif

namespace dng::DNG_GPU {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
// Of shared memory, for a block: what every GPU from compute capability 8.0 on has.
constexpr size_t kMaxShared = size_t{99} << 10;

#if defined(__CUDACC__)

inline cudaStream_t stream_of(gpu::Gpu& gpu) { return static_cast<cudaStream_t>(gpu.stream()); }

// First in every kernel. Where kernels overlap, a kernel starts before its predecessor is done: here it waits for that
// one's results, and lets its successor start as soon as all its own blocks run.
__device__ inline void follow() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

template <class... Parameters>
void start(gpu::Gpu& gpu, void (*kernel)(Parameters...), dim3 grid, int threads, size_t shared_bytes,
           const Parameters&... parameters) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream_of(gpu);
  config.attrs = &attribute;
  config.numAttrs = gpu.overlaps() ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, parameters...));
}

template <class Body>
__global__ void __launch_bounds__(kThreads) each_kernel(uint32_t count, const Body body) {
  follow();
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) body(i);
}

template <class Body>
void each(gpu::Gpu& gpu, size_t count, const Body& body) {
  if (count == 0) return;
  gpu::require_countable(count);
  const size_t wanted = (count + kThreads - 1) / kThreads;
  const size_t max = static_cast<size_t>(gpu.processors()) * 16;
  start(gpu, each_kernel<Body>, dim3(static_cast<unsigned>(wanted < max ? wanted : max)), kThreads, 0,
        static_cast<uint32_t>(count), body);
}

template <class Body>
__global__ void __launch_bounds__(kThreads)
    each_in_column_kernel(uint32_t count, uint32_t columns, uint32_t step, const Body body) {
  follow();
  uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= step || i >= count) return;
  const uint32_t column = i % columns;
  const auto constants = body.column(column);
  for (; i < count; i += step) body(i, column, constants);
}

template <class Body>
void each_in_column(gpu::Gpu& gpu, size_t count, size_t columns, const Body& body) {
  if (count == 0) return;
  gpu::require_countable(count);
  // Elements of a thread; fewer where that would leave processors without work.
  constexpr size_t kElements = 4;
  const auto processors = static_cast<size_t>(gpu.processors());
  size_t blocks = (count + kThreads * kElements - 1) / (kThreads * kElements);
  blocks = blocks < 2 * processors ? 2 * processors : blocks > 16 * processors ? 16 * processors : blocks;
  const size_t min = (columns + kThreads - 1) / kThreads, max = (count + kThreads - 1) / kThreads;
  blocks = blocks < min ? min : blocks > max ? max : blocks;
  const size_t threads = blocks * kThreads;
  const size_t step = threads < columns ? columns : threads / columns * columns;
  start(gpu, each_in_column_kernel<Body>, dim3(static_cast<unsigned>(blocks)), kThreads, 0,
        static_cast<uint32_t>(count), static_cast<uint32_t>(columns), static_cast<uint32_t>(step), body);
}

class Block {
 public:
  __device__ int x() const { return static_cast<int>(blockIdx.x); }
  __device__ int y() const { return static_cast<int>(blockIdx.y); }
  __device__ int count_y() const { return static_cast<int>(gridDim.y); }
  template <class Step>
  __device__ void each_thread(const Step& step) const {
    step(static_cast<int>(threadIdx.x));
  }
  template <class Step>
  __device__ void each_warp(const Step& step) const {
    step(static_cast<int>(threadIdx.x / 32));
  }
  __device__ void barrier() const { __syncthreads(); }
  // Whether this is the last of the blocks with the same x to get here; what the others wrote before to device memory
  // can be read then. The counter is zero before and after. `flag` lies in shared memory.
  __device__ bool is_last(unsigned* counters, int* flag) const {
    return is_last_of(counters + blockIdx.x, gridDim.y, flag);
  }
  // The same for any `count` blocks that have a counter of their own.
  __device__ bool is_last_of(unsigned* counter, unsigned count, int* flag) const {
    __syncthreads();
    if (threadIdx.x == 0) {
      __threadfence();  // for what the whole block wrote: it is ordered before by the barrier
      *flag = atomicAdd(counter, 1u) == count - 1 ? 1 : 0;
      if (*flag != 0) *counter = 0;
    }
    __syncthreads();
    const bool last = *flag != 0;
    if (last) __threadfence();
    return last;
  }
};

template <class Body>
__global__ void __launch_bounds__(kThreads) blocks_kernel(const Body body) {
  follow();
  __shared__ typename Body::Shared shared;
  const Block block;
  body(block, shared);
}

template <class Body>
void blocks(gpu::Gpu& gpu, int x, int y, const Body& body) {
  start(gpu, blocks_kernel<Body>, dim3(static_cast<unsigned>(x), static_cast<unsigned>(y)), kThreads, 0, body);
}

template <class Body>
__global__ void __launch_bounds__(kThreads) blocks_with_kernel(const __grid_constant__ Body body) {
  follow();
  extern __shared__ __align__(16) char shared_by_block[];
  const Block block;
  body(block, shared_by_block);
}

template <class Body>
void blocks_with(gpu::Gpu& gpu, int x, int y, size_t bytes, const Body& body) {
  constexpr size_t kUnasked = size_t{48} << 10;
  if (bytes > kUnasked) {
    check(cudaFuncSetAttribute(blocks_with_kernel<Body>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)));
  }
  start(gpu, blocks_with_kernel<Body>, dim3(static_cast<unsigned>(x), static_cast<unsigned>(y)), kThreads, bytes, body);
}

// The lanes of a warp share a sample.
class WarpLanes {
 public:
  __device__ int first() const { return static_cast<int>(threadIdx.x % 32); }
  __device__ int step() const { return 32; }
  template <class Real>
  __device__ Real sum(Real mine) const {
    for (int distance = 16; distance > 0; distance /= 2) mine += __shfl_xor_sync(kAll, mine, distance);
    return mine;
  }
  template <class Real>
  __device__ Real max(Real mine) const {
    for (int distance = 16; distance > 0; distance /= 2) {
      const Real other = __shfl_xor_sync(kAll, mine, distance);
      mine = other > mine ? other : mine;
    }
    return mine;
  }
  template <class Real>
  __device__ int best(int index, Real value) const {
    for (int distance = 16; distance > 0; distance /= 2) {
      const int other = __shfl_xor_sync(kAll, index, distance);
      const Real others = __shfl_xor_sync(kAll, value, distance);
      if (other >= 0 && (index < 0 || others > value || (others == value && other < index))) {
        index = other;
        value = others;
      }
    }
    // With NaN, lanes could disagree.
    return __shfl_sync(kAll, index, 0);
  }
  __device__ void sync() const { __syncwarp(); }

 private:
  static constexpr unsigned kAll = 0xffffffffu;
};

template <class Body>
__global__ void __launch_bounds__(kThreads) samples_kernel(int count, const Body body) {
  follow();
  const int sample = static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / 32);
  if (sample < count) body(sample, WarpLanes());
}

template <class Body>
void samples(gpu::Gpu& gpu, int count, const Body& body) {
  constexpr int kSamples = 4;  // of a block
  start(gpu, samples_kernel<Body>, dim3(static_cast<unsigned>((count + kSamples - 1) / kSamples)), kSamples * 32, 0,
        count, body);
}

#else

// Bodies are copied, as in a CUDA graph: what the host does between launches is not replayed.
using Captured = std::vector<std::function<void()> >;

// The stream of a GPU that captures is the list of what runs later; else it is null.
template <class Work>
void launch(gpu::Gpu& gpu, const Work& work) {
  auto* captured = static_cast<Captured*>(gpu.stream());
  if (captured != nullptr) {
    captured->emplace_back(work);
  } else {
    work();
  }
}

template <class Body>
void each(gpu::Gpu& gpu, size_t count, const Body& body) {
  gpu::require_countable(count);
  launch(gpu, [count, body] {
    for (uint32_t i = 0; i < count; ++i) body(i);
  });
}

template <class Body>
void each_in_column(gpu::Gpu& gpu, size_t count, size_t columns, const Body& body) {
  gpu::require_countable(count);
  launch(gpu, [count, columns, body] {
    for (uint32_t i = 0; i < count; ++i) {
      const auto column = static_cast<uint32_t>(i % columns);
      body(i, column, body.column(column));
    }
  });
}

class Block {
 public:
  Block(int x, int y, int count_y) : x_(x), y_(y), count_y_(count_y) {}
  int x() const { return x_; }
  int y() const { return y_; }
  int count_y() const { return count_y_; }
  template <class Step>
  void each_thread(const Step& step) const {
    for (int thread = 0; thread < kThreads; ++thread) step(thread);
  }
  template <class Step>
  void each_warp(const Step& step) const {
    for (int warp = 0; warp < kWarps; ++warp) step(warp);
  }
  void barrier() const {}
  bool is_last(unsigned* counters, int* flag) const {
    return is_last_of(counters + x_, static_cast<unsigned>(count_y_), flag);
  }
  bool is_last_of(unsigned* counter, unsigned count, int*) const {
    const bool last = (*counter)++ == count - 1;
    if (last) *counter = 0;
    return last;
  }

 private:
  int x_, y_, count_y_;
};

template <class Body>
void blocks(gpu::Gpu& gpu, int x, int y, const Body& body) {
  launch(gpu, [x, y, body] {
    typename Body::Shared shared;
    for (int row = 0; row < y; ++row) {
      for (int column = 0; column < x; ++column) body(Block(column, row, y), shared);
    }
  });
}

template <class Body>
void blocks_with(gpu::Gpu& gpu, int x, int y, size_t bytes, const Body& body) {
  launch(gpu, [x, y, bytes, body] {
    // Shared memory is not zero on a GPU either.
    std::vector<std::max_align_t> shared((bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
    for (int row = 0; row < y; ++row) {
      for (int column = 0; column < x; ++column) {
        std::memset(static_cast<void*>(shared.data()), 0xff, bytes);
        body(Block(column, row, y), reinterpret_cast<char*>(shared.data()));
      }
    }
  });
}

template <class Body>
void samples(gpu::Gpu& gpu, int count, const Body& body) {
  launch(gpu, [count, body] {
    for (int i = 0; i < count; ++i) body(i, math::OneLane());
  });
}

#endif

}  // namespace dng::DNG_GPU
