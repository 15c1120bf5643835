// Marks functions for the GPU, where a CUDA compiler reads them; other compilers see plain functions.
#pragma once

#if defined(__CUDACC__)
#define DNG_HOST_DEVICE __host__ __device__  // runs on both
#define DNG_DEVICE __device__                // on the GPU only
#else
#define DNG_HOST_DEVICE
#define DNG_DEVICE
#endif
