#include "engine/cpu/winograd_math.h"

#include <algorithm>

#include "base/instructions.h"
#include "base/simd.h"

namespace dng {
namespace {

struct Kernels {
  int panel;
  void (*patch)(const float* image, const WinogradPlace& place, float* points, size_t step);
  void (*tile)(const float* points, size_t step, const float* bias, bool relu, const WinogradPlace& place,
               float* image);
  void (*tile_gradient)(const float* image, const WinogradPlace& place, float* points, size_t step);
  void (*filters)(const float* nine, int filters, float* points, size_t step);
  void (*filters_gradient)(const float* points, size_t step, int count, size_t sum_step, int filters, float* nine);
  void (*multiply)(const float* in, size_t in_row, int tiles, int channels, const float* panels, int filters, bool add,
                   float* out, size_t out_row);
  void (*multiply_transposed)(const float* in, size_t in_row, const float* gradient, size_t gradient_row, int tiles,
                              int channels, int filters, bool add, float* sums);
};

// Not as clones of a function: one of vectors is inlined only into one for the same instruction set.
namespace avx2 {
#ifdef DNG_SIMD_TARGETS
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#endif
constexpr int kWidth = 8;
constexpr int kRows = 6;  // with two vectors of a panel, they keep 12 of the 16 registers
#include "engine/cpu/winograd_loops.h"
#ifdef DNG_SIMD_TARGETS
#pragma GCC pop_options
#endif
}  // namespace avx2

#ifdef DNG_SIMD_TARGETS
namespace avx512 {
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
constexpr int kWidth = 16;
constexpr int kRows = 14;  // 28 of the 32 registers
#include "engine/cpu/winograd_loops.h"
#pragma GCC pop_options
}  // namespace avx512
#endif

const Kernels& kernels() {
#ifdef DNG_SIMD_TARGETS
  if (instructions() == Instructions::kAvx512) return avx512::kKernels;
#endif
  return avx2::kKernels;
}

}  // namespace

int winograd_panel() { return kernels().panel; }

void winograd_patch(const float* image, const WinogradPlace& place, float* points, size_t step) {
  kernels().patch(image, place, points, step);
}

void winograd_tile(const float* points, size_t step, const float* bias, bool relu, const WinogradPlace& place,
                   float* image) {
  kernels().tile(points, step, bias, relu, place, image);
}

void winograd_tile_gradient(const float* image, const WinogradPlace& place, float* points, size_t step) {
  kernels().tile_gradient(image, place, points, step);
}

void winograd_filters(const float* nine, int filters, float* points, size_t step) {
  kernels().filters(nine, filters, points, step);
}

void winograd_filters_gradient(const float* points, size_t step, int count, size_t sum_step, int filters, float* nine) {
  kernels().filters_gradient(points, step, count, sum_step, filters, nine);
}

void winograd_multiply(const float* in, size_t in_row, int tiles, int channels, const float* panels, int filters,
                       bool add, float* out, size_t out_row) {
  kernels().multiply(in, in_row, tiles, channels, panels, filters, add, out, out_row);
}

void winograd_multiply_transposed(const float* in, size_t in_row, const float* gradient, size_t gradient_row, int tiles,
                                  int channels, int filters, bool add, float* sums) {
  kernels().multiply_transposed(in, in_row, gradient, gradient_row, tiles, channels, filters, add, sums);
}

}  // namespace dng
