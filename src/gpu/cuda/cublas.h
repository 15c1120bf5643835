// The few functions of cuBLAS that this program needs. Its libraries take a tenth of a second to load, so they are not
// loaded before a network on the GPU multiplies.
#pragma once

#include <cublas_v2.h>

#include "gpu/gpu.h"

namespace dng::cuda {

class Cublas {
 public:
  // All work goes to the stream. Throws Error where the library is missing.
  explicit Cublas(cudaStream_t stream);
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;
  // Memory for its own use, so that it allocates none during CUDA graph capture.
  void set_workspace(void* memory, size_t bytes);
  void multiply(const gpu::Product& product);

 private:
  using Create = cublasStatus_t (*)(cublasHandle_t*);
  using Destroy = cublasStatus_t (*)(cublasHandle_t);
  using SetStream = cublasStatus_t (*)(cublasHandle_t, cudaStream_t);
  using SetWorkspace = cublasStatus_t (*)(cublasHandle_t, void*, size_t);
  using GemmEx = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*,
                                    const void*, cudaDataType, int, const void*, cudaDataType, int, const void*, void*,
                                    cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
  Destroy destroy_ = nullptr;
  SetWorkspace set_workspace_ = nullptr;
  GemmEx gemm_ = nullptr;
  cublasHandle_t handle_ = nullptr;
};

}  // namespace dng::cuda
