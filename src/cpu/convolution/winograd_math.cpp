#include "cpu/convolution/winograd_math.h"

#include <algorithm>

#include "base/instructions.h"
#include "base/simd.h"

namespace dng::cpu {
namespace {

struct Loops {
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

#define DNG_LOOPS "cpu/convolution/winograd_loops.h"
#include "base/loops_for_processor.h"

}  // namespace

int winograd_panel() { return loops().panel; }

void winograd_patch(const float* image, const WinogradPlace& place, float* points, size_t step) {
  loops().patch(image, place, points, step);
}

void winograd_tile(const float* points, size_t step, const float* bias, bool relu, const WinogradPlace& place,
                   float* image) {
  loops().tile(points, step, bias, relu, place, image);
}

void winograd_tile_gradient(const float* image, const WinogradPlace& place, float* points, size_t step) {
  loops().tile_gradient(image, place, points, step);
}

void winograd_filters(const float* nine, int filters, float* points, size_t step) {
  loops().filters(nine, filters, points, step);
}

void winograd_filters_gradient(const float* points, size_t step, int count, size_t sum_step, int filters, float* nine) {
  loops().filters_gradient(points, step, count, sum_step, filters, nine);
}

void winograd_multiply(const float* in, size_t in_row, int tiles, int channels, const float* panels, int filters,
                       bool add, float* out, size_t out_row) {
  loops().multiply(in, in_row, tiles, channels, panels, filters, add, out, out_row);
}

void winograd_multiply_transposed(const float* in, size_t in_row, const float* gradient, size_t gradient_row, int tiles,
                                  int channels, int filters, bool add, float* sums) {
  loops().multiply_transposed(in, in_row, gradient, gradient_row, tiles, channels, filters, add, sums);
}

}  // namespace dng::cpu
