// The arithmetic of Winograd's F(4x4, 3x3) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR
// 2016) on images in blocks of channels (cpu/layout.h), for processors with AVX2, AVX-512 or NEON.
//
// A convolution Y = A^T [(G g G^T) * (B^T d B)] A of a patch d of 6x6 and a filter g of 3x3 gives a tile of 4x4. Each
// of the 36 points of the product is a matrix product over the channels on its own: tiles x channels times channels x
// filters. The gradient of the weights is its transpose: G^T [(B^T d B)^T * (A dY A^T)] G.
//
// Below, a `step` is the distance in floats between two points of what a function reads or writes.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace dng::cpu {

constexpr int kWinogradTile = 4;
constexpr int kWinogradPoints = 36;
constexpr int kMaxWinogradPanel = 32;

// Where a tile (of outputs) or a patch (of inputs) begins in an image of whole blocks; parts of it may be outside,
// where the image is zero and nothing is written.
struct WinogradPlace {
  data::Geometry shape;
  int y = 0, x = 0;
};

struct WinogradLoops {
  // Filters that a matrix product takes at once: two blocks.
  int panel;
  // point[i * step + c] = (B^T d B)[i] of channel c.
  void (*patch)(const float* image, const WinogradPlace& place, float* points, size_t step);
  // The tile = A^T m A + bias; bias may be null; negative values become 0 where `relu`.
  void (*tile)(const float* points, size_t step, const float* bias, bool relu, const WinogradPlace& place,
               float* image);
  // point[i * step + c] = (A dY A^T)[i].
  void (*tile_gradient)(const float* image, const WinogradPlace& place, float* points, size_t step);
  // nine[9][panel] of one input channel, in the order of a filter's rows, to point[i * step + n] = (G g G^T)[i].
  void (*filters)(const float* nine, int filters, float* points, size_t step);
  // The inverse: nine = G^T u G, u the sum of `count` at points, points + sum_step, ..., in their order.
  void (*filters_gradient)(const float* points, size_t step, int count, size_t sum_step, int filters, float* nine);
  // out[tiles][filters] = (or +=, where `add`) in[tiles][channels] * panels; these are
  // [filters / panel][channels][panel], the last one half as wide where the filters are no multiple of panel. A row:
  // floats from tile to tile.
  void (*multiply)(const float* in, size_t in_row, int tiles, int channels, const float* panels, int filters, bool add,
                   float* out, size_t out_row);
  // sums[channels][filters] = (or +=) in[tiles][channels]^T * gradient[tiles][filters].
  void (*multiply_transposed)(const float* in, size_t in_row, const float* gradient, size_t gradient_row, int tiles,
                              int channels, int filters, bool add, float* sums);
};

// For the instructions of this processor.
const WinogradLoops& winograd_loops();

}  // namespace dng::cpu
