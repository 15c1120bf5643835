#include "cpu/loops/max_pooling.h"

#include <algorithm>
#include <limits>

#include "base/simd.h"

namespace dng::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::max();

typedef float Vector16 __attribute__((vector_size(16 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int Indices16 __attribute__((vector_size(16 * sizeof(int)), aligned(sizeof(int)), may_alias));
typedef float Vector8 __attribute__((vector_size(8 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int Indices8 __attribute__((vector_size(8 * sizeof(int)), aligned(sizeof(int)), may_alias));
typedef float Vector4 __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int Indices4 __attribute__((vector_size(4 * sizeof(int)), aligned(sizeof(int)), may_alias));

// The caller says what T and I are: one channel, or those of a block. A macro for the reason given in row_math.cpp.
#define DNG_MAX_POOL(block)                                                            \
  for (int oy = 0; oy < shape.out.height; ++oy) {                                      \
    const int y = shape.offset + oy * shape.stride_y;                                  \
    const int y0 = std::max(y, 0), y1 = std::min(y + shape.size, shape.in.height);     \
    for (int ox = 0; ox < shape.out.width; ++ox, output += (block), best += (block)) { \
      const int x = shape.offset + ox * shape.stride_x;                                \
      const int x0 = std::max(x, 0), x1 = std::min(x + shape.size, shape.in.width);    \
      T largest = T{} + kLowest;                                                       \
      I index = I{} + (y0 * shape.in.width + x0) * (block);                            \
      for (int iy = y0; iy < y1; ++iy) {                                               \
        for (int ix = x0; ix < x1; ++ix) {                                             \
          const int at = (iy * shape.in.width + ix) * (block);                         \
          const T value = *reinterpret_cast<const T*>(input + at);                     \
          index = value > largest ? I{} + at : index;                                  \
          largest = value > largest ? value : largest;                                 \
        }                                                                              \
      }                                                                                \
      *reinterpret_cast<T*>(output) = largest;                                         \
      *reinterpret_cast<I*>(best) = index;                                             \
    }                                                                                  \
  }

DNG_SIMD_CLONES void blocks_of_16(const float* __restrict input, const PoolShape& shape, float* __restrict output,
                                  int* __restrict best) {
  using T = Vector16;
  using I = Indices16;
  DNG_MAX_POOL(16)
}

DNG_SIMD_CLONES void blocks_of_8(const float* __restrict input, const PoolShape& shape, float* __restrict output,
                                 int* __restrict best) {
  using T = Vector8;
  using I = Indices8;
  DNG_MAX_POOL(8)
}

void blocks_of_4(const float* __restrict input, const PoolShape& shape, float* __restrict output,
                 int* __restrict best) {
  using T = Vector4;
  using I = Indices4;
  DNG_MAX_POOL(4)
}

void plain(const float* __restrict input, const PoolShape& shape, float* __restrict output, int* __restrict best) {
  using T = float;
  using I = int;
  DNG_MAX_POOL(1)
}

}  // namespace

void max_pool_row(const float* input, const PoolShape& shape, int block, float* output, int* best) {
  (block == 16  ? blocks_of_16
   : block == 8 ? blocks_of_8
   : block == 4 ? blocks_of_4
                : plain)(input, shape, output, best);
}

}  // namespace dng::cpu
