// An open GPU: memory, a queue of work that runs in order, and the libraries that convolve and multiply.
//
// There are two: the CUDA one (gpu/cuda/), and one of the tests that runs the very same sources of the kernels as loops
// on the CPU (tests/gpu/emulated_gpu.h), so that all but the libraries is tested on machines without a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "data/image.h"
#include "gpu/number.h"
#include "graph/op.h"
#include "math/activation.h"

namespace dng::gpu {

class Kernel;
struct GradientStatistics;
struct BatchStatistics;
struct Operations;

// A captured CUDA graph, to be run again and again.
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void run() = 0;
};

// Every channel has a filter of its own.
inline bool is_depthwise(int groups, int inputs, int outputs) {
  return groups > 1 && groups == inputs && groups == outputs;
}

// A convolution of NHWC tensors. Weights are [outputs][rows][columns][inputs / groups], of a depthwise one
// [rows][columns][outputs].
struct ConvolutionShape {
  int batch = 1;
  data::Geometry in, out;
  int size_y = 1, size_x = 1, stride_y = 1, stride_x = 1, dilation = 1, padding = 0, groups = 1;
  Precision precision = Precision::kFp32;

  bool depthwise() const { return is_depthwise(groups, in.channels, out.channels); }
  size_t weights() const {
    return static_cast<size_t>(out.channels) * static_cast<size_t>(size_y) * static_cast<size_t>(size_x) *
           static_cast<size_t>(in.channels / groups);
  }
};

class Convolution {
 public:
  virtual ~Convolution() = default;
  // All tensors, weights and their gradient are of activation_type(precision).
  virtual void forward(const void* x, const void* weights, void* y) = 0;
  // The same, and y's mean and variance (gpu/batch_statistics.h). False: cannot, and nothing was done.
  virtual bool forward_with_statistics(const void*, const void* /*weights*/, void* /*y*/, const BatchStatistics&) {
    return false;
  }
  // y = f(convolution + bias [+ addend]) in one kernel; bias is [outputs], of the same type, addend may be null. False:
  // cannot, and nothing was done.
  virtual bool forward_fused(const void*, const void* /*weights*/, const void* /*bias*/, const void* /*addend*/,
                             math::Activation, void* /*y*/) {
    return false;
  }
  // dx = or, where `add`, += the gradient in x.
  virtual void backward_data(const void* weights, const void* dy, void* dx, bool add) = 0;
  // dx = the gradient in x, and its sums (gpu/batch_statistics.h). False: cannot, and nothing was done.
  virtual bool backward_data_with_statistics(const void* /*weights*/, const void* /*dy*/, void* /*dx*/,
                                             const GradientStatistics&) {
    return false;
  }
  virtual void backward_weights(const void* x, const void* dy, void* dweights, bool add) = 0;
};

// A row-major product C = op(A) op(B), or += where `add`; op is the transpose where asked for. m, n: rows and columns
// of C; k: the inner length. A and B are of the same type, C is float.
struct Product {
  bool transpose_a = false, transpose_b = false;
  int m = 0, n = 0, k = 0;
  Type type = Type::kFloat;
  Precision precision = Precision::kFp32;
  const void* a = nullptr;
  const void* b = nullptr;
  float* c = nullptr;
  bool add = false;
};

// Kernels count in 32 bits. Throws Error where a launch would have more items than they can.
void require_countable(size_t items);

// The kernel of a layer; null where there is none for it, or not for its options.
using KernelFactory = std::unique_ptr<Kernel> (*)(const graph::LayerConfig& layer);

class Gpu {
 public:
  virtual ~Gpu() = default;
  // For messages and for .state: "NVIDIA H100 80GB HBM3".
  virtual std::string name() const = 0;
  // Versions that may change the last bits: "CUDA 13.0, cuDNN 9.19".
  virtual std::string libraries() const = 0;

  virtual std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& layer) = 0;
  virtual std::unique_ptr<Convolution> make_convolution(const ConvolutionShape& shape, bool trains) = 0;
  virtual void multiply(const Product& product) = 0;
  virtual const Operations& operations() const = 0;

  // Device memory; null where not enough is free.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual size_t free_bytes() = 0;
  // What the libraries need in addition.
  virtual size_t spare_bytes() const = 0;
  // Page-locked host memory, from which copies run asynchronously.
  virtual void* allocate_pinned(size_t bytes) = 0;
  virtual void release_pinned(void* memory) = 0;

  // In the order of the calls; only finish() and copy_out() wait.
  virtual void copy_in(void* device, const void* host, size_t bytes) = 0;
  virtual void copy_out(void* host, const void* device, size_t bytes) = 0;
  // From page-locked memory, beside all other work; the mark stands behind the copy. Work that is queued after follow()
  // begins when the copy is done.
  virtual void copy_in_beside(void* device, const void* pinned, size_t bytes, size_t mark) = 0;
  virtual void follow(size_t mark) = 0;
  virtual void zero(void* device, size_t bytes) = 0;
  virtual void finish() = 0;
  // Seconds on the device's clock between two marks; a mark costs little. wait_for waits until the work
  // before a mark is done.
  virtual void mark(size_t number) = 0;
  virtual void wait_for(size_t mark) = 0;
  virtual double seconds_between(size_t first, size_t second) = 0;

  // Captures what is queued from begin_capture on instead of running it. Every begin needs its end, also after an
  // error. Null, and why, where the work cannot be captured; none of it has run then.
  virtual void begin_capture() = 0;
  virtual std::unique_ptr<CapturedGraph> end_capture(std::string* why) = 0;
  bool captures = true;  // until that failed once

  // For the launcher (gpu/launch.h): the CUDA stream, or the emulated GPU's captured work.
  virtual void* stream() = 0;
  // Whether a kernel may be started before the one before it is done; it waits for that by itself then.
  virtual bool overlaps() const { return false; }
  // Multiprocessors of the device: how many blocks it takes to fill it.
  virtual int processors() const = 0;
};

// Device memory, released at the end.
class Memory {
 public:
  Memory() = default;
  ~Memory() { reset(); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Zeroed. False where not enough memory is free.
  bool allocate(Gpu* gpu, size_t bytes);
  void reset();
  char* data() const { return data_; }
  template <class T>
  T* as(size_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(data_ + offset_bytes);
  }
  size_t bytes() const { return bytes_; }

 private:
  Gpu* gpu_ = nullptr;
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

// Page-locked host memory for asynchronous copies.
class Pinned {
 public:
  Pinned() = default;
  ~Pinned() {
    if (data_ != nullptr) gpu_->release_pinned(data_);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  void allocate(Gpu* gpu, size_t bytes) {
    gpu_ = gpu;
    data_ = static_cast<char*>(gpu->allocate_pinned(bytes));
  }
  template <class T>
  T* as(size_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(data_ + offset_bytes);
  }

 private:
  Gpu* gpu_ = nullptr;
  char* data_ = nullptr;
};

}  // namespace dng::gpu
