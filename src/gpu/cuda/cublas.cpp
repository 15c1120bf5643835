#include "gpu/cuda/cublas.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace dng::cuda {
namespace {

void check_cublas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail("cuBLAS: %s failed with status %d; see whether the driver and the GPU are well (nvidia-smi)", what,
       static_cast<int>(status));
}

void* open_library(const char* name) {
  const std::string file = format("lib%s.so.%d", name, CUBLAS_VER_MAJOR);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    fail("%s cannot be loaded: %s; install the CUDA toolkit's cuBLAS, or give -nogpu", file.c_str(), dlerror());
  }
  return library;
}

template <class Function>
Function find(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) fail("cuBLAS has no %s; install the version that this program was built with", name);
  return reinterpret_cast<Function>(found);
}

}  // namespace

Cublas::Cublas(cudaStream_t stream) {
  open_library("cublasLt");
  void* library = open_library("cublas");
  destroy_ = find<Destroy>(library, "cublasDestroy_v2");
  set_workspace_ = find<SetWorkspace>(library, "cublasSetWorkspace_v2");
  gemm_ = find<GemmEx>(library, "cublasGemmEx");
  check_cublas(find<Create>(library, "cublasCreate_v2")(&handle_), "its start");
  check_cublas(find<SetStream>(library, "cublasSetStream_v2")(handle_, stream), "setting the stream");
}

Cublas::~Cublas() {
  if (handle_ != nullptr) destroy_(handle_);
}

void Cublas::set_workspace(void* memory, size_t bytes) {
  check_cublas(set_workspace_(handle_, memory, bytes), "setting the workspace");
}

// cuBLAS has column-major matrices: the row-major ones of gpu::Product are their transposes, and
// C^T = op(B)^T op(A)^T.
void Cublas::multiply(const gpu::Product& p) {
  const cudaDataType type = p.type == gpu::Type::kFloat ? CUDA_R_32F : CUDA_R_16BF;
  const bool tf32 = p.type == gpu::Type::kFloat && p.precision == gpu::Precision::kTf32;
  const float one = 1, beta = p.add ? 1.0f : 0.0f;
  check_cublas(
      gemm_(handle_, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, p.n, p.m,
            p.k, &one, p.b, type, p.transpose_b ? p.k : p.n, p.a, type, p.transpose_a ? p.m : p.k, &beta, p.c,
            CUDA_R_32F, p.n, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      format("a product of %dx%d and %dx%d", p.m, p.k, p.k, p.n).c_str());
}

}  // namespace dng::cuda
