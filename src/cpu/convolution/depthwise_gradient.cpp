#include "cpu/convolution/depthwise_gradient.h"

#include <algorithm>

#include "base/simd.h"

namespace dng::cpu {
namespace {

typedef float Vector16 __attribute__((vector_size(16 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float Vector8 __attribute__((vector_size(8 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float Vector4 __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));

// Outputs whose tap lies within the input: from first to end - 1.
struct Outputs {
  int first, end;
  Outputs(int offset, int stride, int in, int out)
      : first(offset < 0 ? (-offset + stride - 1) / stride : 0),
        end(offset >= in ? 0 : std::min(out, (in - 1 - offset) / stride + 1)) {}
};

// The caller says what T is. A macro for the reason given in row_math.cpp. Two sums that do not wait for each other.
#define DNG_PRODUCT(ox, block)                                           \
  (*reinterpret_cast<const T*>(dy + static_cast<size_t>(ox) * (block)) * \
   *reinterpret_cast<const T*>(from + static_cast<size_t>((ox)*s.stride_x + across) * (block)))
#define DNG_DEPTHWISE_GRADIENT(block)                                                                \
  for (int ky = 0; ky < s.size; ++ky) {                                                              \
    const int down = ky * s.dilation - s.padding;                                                    \
    const Outputs rows(down, s.stride_y, s.in.height, s.out.height);                                 \
    for (int oy = rows.first; oy < rows.end; ++oy) {                                                 \
      const float* from = in + static_cast<size_t>((oy * s.stride_y + down) * s.in.width) * (block); \
      const float* dy = out_gradient + static_cast<size_t>(oy * s.out.width) * (block);              \
      for (int kx = 0; kx < s.size; ++kx) {                                                          \
        const int across = kx * s.dilation - s.padding;                                              \
        const Outputs columns(across, s.stride_x, s.in.width, s.out.width);                          \
        T& sum = *reinterpret_cast<T*>(gradient + static_cast<size_t>(ky * s.size + kx) * (block));  \
        T one = sum, other = {};                                                                     \
        int ox = columns.first;                                                                      \
        for (; ox + 1 < columns.end; ox += 2) {                                                      \
          one += DNG_PRODUCT(ox, block);                                                             \
          other += DNG_PRODUCT(ox + 1, block);                                                       \
        }                                                                                            \
        if (ox < columns.end) one += DNG_PRODUCT(ox, block);                                         \
        sum = one + other;                                                                           \
      }                                                                                              \
    }                                                                                                \
  }

DNG_SIMD_CLONES void blocks_of_16(const ConvolutionShape& s, const float* __restrict in,
                                  const float* __restrict out_gradient, float* __restrict gradient) {
  using T = Vector16;
  DNG_DEPTHWISE_GRADIENT(16)
}

DNG_SIMD_CLONES void blocks_of_8(const ConvolutionShape& s, const float* __restrict in,
                                 const float* __restrict out_gradient, float* __restrict gradient) {
  using T = Vector8;
  DNG_DEPTHWISE_GRADIENT(8)
}

void blocks_of_4(const ConvolutionShape& s, const float* __restrict in, const float* __restrict out_gradient,
                 float* __restrict gradient) {
  using T = Vector4;
  DNG_DEPTHWISE_GRADIENT(4)
}

size_t taps_of(const ConvolutionShape& shape) { return static_cast<size_t>(shape.size * shape.size); }

}  // namespace

bool DepthwiseGradient::fits(const ConvolutionShape& shape) {
  return shape.depthwise() && shape.in_layout == Layout::kBlocked && shape.out_layout == Layout::kBlocked;
}

size_t DepthwiseGradient::size() const { return taps_of(shape_) * static_cast<size_t>(shape_.stored_out()); }

void DepthwiseGradient::run(const float* in, const float* out_gradient, bool add, float* gradient) const {
  if (!add) std::fill_n(gradient, size(), 0.0f);
  const Rows from(shape_.in, shape_.in_layout), to(shape_.out, shape_.out_layout);
  const auto loops = to.block == 16 ? blocks_of_16 : to.block == 8 ? blocks_of_8 : blocks_of_4;
  const size_t step = taps_of(shape_) * static_cast<size_t>(to.block);
  for (size_t image = 0; image < static_cast<size_t>(shape_.micro_batch); ++image) {
    for (int row = 0; row < to.count(); ++row) {
      loops(shape_, in + image * from.size() + from.offset(row), out_gradient + image * to.size() + to.offset(row),
            gradient + static_cast<size_t>(row) * step);
    }
  }
}

void DepthwiseGradient::reorder(const float* gradient, float* weights) const {
  const size_t taps = taps_of(shape_), block = static_cast<size_t>(block_channels());
  for (size_t i = 0; i < size(); ++i) {
    const size_t lane = i % block, tap = i / block % taps, row = i / block / taps;
    weights[(row * block + lane) * taps + tap] = gradient[i];
  }
}

}  // namespace dng::cpu
