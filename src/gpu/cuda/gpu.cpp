// The CUDA GPU: runtime, cuDNN and cuBLAS behind gpu/gpu.h.
#include <cudnn.h>

#include <map>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "gpu/cuda/check.h"
#include "gpu/cuda/convolution.h"
#include "gpu/cuda/cublas.h"
#include "gpu/kernel.h"
#include "gpu/open.h"
#include "gpu/operations.h"

namespace dng::cuda {

// gpu/operations.cu, as nvcc compiled it.
const gpu::Operations& operations();
// The architecture whose code the driver took or compiled: 90 for compute capability 9.0.
int architecture_of_kernels();

void fail_cuda(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      fail("CUDA: %s; raise subdivisions=, use a smaller network, or end what else uses the GPU",
           cudaGetErrorString(error));
    case cudaErrorNoKernelImageForDevice:
      fail("CUDA: %s; this build has no kernels for this GPU: build with -DCMAKE_CUDA_ARCHITECTURES=native on it",
           cudaGetErrorString(error));
    case cudaErrorUnsupportedPtxVersion:
      fail(
          "CUDA: %s; the driver is older than this build's CUDA and cannot compile its code for this GPU: update the "
          "NVIDIA driver, or build with -DCMAKE_CUDA_ARCHITECTURES=native on it",
          cudaGetErrorString(error));
    case cudaErrorInsufficientDriver:
      fail("CUDA: %s; update the NVIDIA driver, or give -nogpu", cudaGetErrorString(error));
    default:
      fail("CUDA: %s (%s); the GPU may be lost: see nvidia-smi, then go on with -resume, or -nogpu on the CPU",
           cudaGetErrorString(error), cudaGetErrorName(error));
  }
}

namespace {

// The first compute capability whose tensor cores multiply bfloat16 and TF32.
constexpr int kMinMajor = 8;
constexpr size_t kCublasWorkspace = size_t{32} << 20;

std::string too_old(int number, const cudaDeviceProp& properties) {
  return format("GPU %d, %s, has compute capability %d.%d; at least %d.0 is needed", number, properties.name,
                properties.major, properties.minor, kMinMajor);
}

class CudaGraph final : public gpu::CapturedGraph {
 public:
  CudaGraph(cudaGraphExec_t executable, cudaStream_t stream, gpu::SharedWorkspace* workspace)
      : executable_(executable), stream_(stream), workspace_(workspace) {
    workspace_->hold();
  }
  ~CudaGraph() override {
    cudaGraphExecDestroy(executable_);
    workspace_->release();
  }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  void run() override { check(cudaGraphLaunch(executable_, stream_)); }

 private:
  cudaGraphExec_t executable_;
  cudaStream_t stream_;
  gpu::SharedWorkspace* workspace_;
};

class CudaGpu final : public gpu::Gpu {
 public:
  CudaGpu(int number, gpu::KernelFactory kernels) : kernels_(kernels) {
    check(cudaSetDevice(number));
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, number));
    name_ = properties.name;
    processors_ = properties.multiProcessorCount;
    overlaps_ = architecture_of_kernels() >= 90;
    if (properties.major < kMinMajor) fail("%s; give -nogpu", too_old(number, properties).c_str());
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    check(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking));
    check_cudnn(cudnnCreate(&cudnn_), "its start");
    check_cudnn(cudnnSetStream(cudnn_, stream_), "setting the stream");
    workspace_ = std::make_unique<gpu::SharedWorkspace>(this);
    choices_ = std::make_unique<Choices>(name_ + ", " + libraries());
  }
  ~CudaGpu() override {
    // In the order of dependence; errors of a lost device are of no use here.
    cudaStreamSynchronize(copies_);
    cudaStreamSynchronize(stream_);
    workspace_.reset();
    cublas_memory_.reset();
    cublas_.reset();
    cudnnDestroy(cudnn_);
    for (const auto& entry : marks_) cudaEventDestroy(entry.second);
    cudaStreamDestroy(copies_);
    cudaStreamDestroy(stream_);
  }

  std::string name() const override { return name_; }
  std::string libraries() const override {
    int runtime = 0;
    check(cudaRuntimeGetVersion(&runtime));
    return format("CUDA %d.%d, cuDNN %zu", runtime / 1000, runtime % 1000 / 10, cudnnGetVersion());
  }

  std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer) override { return kernels_(layer); }
  std::unique_ptr<gpu::Convolution> make_convolution(const gpu::ConvolutionShape& shape, bool trains) override {
    std::unique_ptr<gpu::Convolution> built_in = make_built_in_convolution(this, shape, trains, workspace_.get());
    if (built_in != nullptr) return built_in;
    return make_cudnn_convolution(this, cudnn_, workspace_.get(), choices_.get(), shape, trains);
  }
  void multiply(const gpu::Product& product) override {
    if (cublas_ == nullptr) {
      // First the memory: without it, cuBLAS would allocate for itself, which CUDA graph capture does not allow.
      if (!cublas_memory_.allocate(this, kCublasWorkspace)) fail_cuda(cudaErrorMemoryAllocation);
      cublas_ = std::make_unique<Cublas>(stream_);
      finish();
      cublas_->set_workspace(cublas_memory_.data(), cublas_memory_.bytes());
    }
    cublas_->multiply(product);
  }
  const gpu::Operations& operations() const override { return cuda::operations(); }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // forgets it
      return nullptr;
    }
    check(error);
    return memory;
  }
  void release(void* memory) override { cudaFree(memory); }
  size_t free_bytes() override {
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total));
    return free;
  }
  // cuDNN's and cuBLAS's kernels, their trials and workspaces, and CUDA graphs. Not measured yet.
  size_t spare_bytes() const override { return size_t{512} << 20; }
  void* allocate_pinned(size_t bytes) override {
    void* memory = nullptr;
    check(cudaMallocHost(&memory, bytes));
    return memory;
  }
  void release_pinned(void* memory) override { cudaFreeHost(memory); }

  void copy_in(void* device, const void* host, size_t bytes) override {
    if (bytes > 0) check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_));
  }
  void copy_out(void* host, const void* device, size_t bytes) override {
    if (bytes > 0) check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
    finish();
  }
  void copy_in_beside(void* device, const void* pinned, size_t bytes, size_t mark) override {
    check(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, copies_));
    record(mark, copies_);
  }
  void follow(size_t mark) override { check(cudaStreamWaitEvent(stream_, marks_.at(mark), 0)); }
  void zero(void* device, size_t bytes) override {
    if (bytes > 0) check(cudaMemsetAsync(device, 0, bytes, stream_));
  }
  void finish() override { check(cudaStreamSynchronize(stream_)); }
  void mark(size_t number) override { record(number, stream_); }
  void wait_for(size_t mark) override { check(cudaEventSynchronize(marks_.at(mark))); }
  double seconds_between(size_t first, size_t second) override {
    float milliseconds = 0;
    check(cudaEventSynchronize(marks_.at(second)));
    check(cudaEventElapsedTime(&milliseconds, marks_.at(first), marks_.at(second)));
    return static_cast<double>(milliseconds) / 1000;
  }

  void begin_capture() override { check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal)); }
  std::unique_ptr<gpu::CapturedGraph> end_capture(std::string* why) override {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    cudaError_t error = cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) {
      if (error == cudaSuccess) error = cudaGraphInstantiateWithFlags(&executable, graph, 0);
      cudaGraphDestroy(graph);
    }
    if (error == cudaSuccess && executable != nullptr) {
      return std::make_unique<CudaGraph>(executable, stream_, workspace_.get());
    }
    cudaGetLastError();  // forgets it
    *why = cudaGetErrorString(error);
    return nullptr;
  }
  void* stream() override { return stream_; }
  bool overlaps() const override { return overlaps_; }
  int processors() const override { return processors_; }

 private:
  void record(size_t mark, cudaStream_t stream) {
    cudaEvent_t& event = marks_[mark];
    if (event == nullptr) check(cudaEventCreate(&event));
    check(cudaEventRecord(event, stream));
  }

  gpu::KernelFactory kernels_;
  std::string name_;
  int processors_ = 1;
  bool overlaps_ = false;
  cudaStream_t stream_ = nullptr, copies_ = nullptr;
  cudnnHandle_t cudnn_ = nullptr;
  std::unique_ptr<gpu::SharedWorkspace> workspace_;
  std::unique_ptr<Choices> choices_;
  std::unique_ptr<Cublas> cublas_;
  gpu::Memory cublas_memory_;
  std::map<size_t, cudaEvent_t> marks_;
};

}  // namespace
}  // namespace dng::cuda

namespace dng::gpu {

bool built_in() { return true; }

std::shared_ptr<Gpu> open_first(KernelFactory kernels, std::string* why) {
  int there = 0, driver = 0;
  const cudaError_t error = cudaGetDeviceCount(&there);
  if (error != cudaSuccess) {
    cudaGetLastError();  // forgets it
    // Without any driver that is the error too, and nothing to speak of.
    if (error == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0) {
      *why = format("the NVIDIA driver is too old (it knows CUDA %d.%d, this build needs %d.%d)", driver / 1000,
                    driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    } else if (error != cudaErrorInsufficientDriver && error != cudaErrorNoDevice) {
      *why = format("CUDA: %s", cudaGetErrorString(error));
    }
    return nullptr;
  }
  for (int number = 0; number < there; ++number) {
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, number));
    if (properties.major >= cuda::kMinMajor) return open(number, kernels);
    if (why->empty()) *why = cuda::too_old(number, properties);
  }
  return nullptr;
}

std::shared_ptr<Gpu> open(int number, KernelFactory kernels) {
  int there = 0;
  const cudaError_t error = cudaGetDeviceCount(&there);
  if (error != cudaSuccess || there == 0) {
    fail("-gpus %d: there is no GPU that CUDA can use: %s; install the NVIDIA driver, or give -nogpu", number,
         error != cudaSuccess ? cudaGetErrorString(error) : "none was found");
  }
  if (number >= there) {
    fail("-gpus %d: there is no such GPU; allowed are 0 to %d (see nvidia-smi)", number, there - 1);
  }
  return std::make_shared<cuda::CudaGpu>(number, kernels);
}

}  // namespace dng::gpu
