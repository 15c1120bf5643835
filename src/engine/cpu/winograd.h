// Convolutions of 3x3 and stride 1 by Winograd's F(4x4, 3x3) on a piece of the batch, on one thread; any number of
// threads may run one at once. For processors with AVX2 and without AVX-512: oneDNN convolves directly there, with four
// times the products. See engine/cpu/winograd_math.h for the arithmetic.
#pragma once

#include <cstddef>

#include "data/image.h"

namespace dng {

class Scratch;

// Images in blocks of 8 channels, padding 0 to 2 on all sides.
struct WinogradShape {
  int piece = 1;  // images
  Geometry in, out;
  int padding = 1;
};

// Whether this processor has what it takes, and whether there are fewer products: not for images of 1x1 or 2x2.
bool winograd_available();
bool winograd_saves(const Geometry& out);

// The way there, or `turned` the way back: then in and out of the shape are the gradients of the output and of the
// input, and the weights are still those of the way there.
class WinogradConvolution {
 public:
  WinogradConvolution() = default;
  WinogradConvolution(const WinogradShape& shape, bool turned) : shape_(shape), turned_(turned) {}
  size_t points_size() const;
  // points[points_size()] from the forward convolution's [filters][channels][3][3], with all threads.
  void transform(const float* weights, float* points) const;
  // out = in * weights + bias, the latter where it is not null; negative numbers become 0 where `relu`.
  void run(const float* in, const float* points, const float* bias, bool relu, float* out, Scratch* scratch) const;

 private:
  WinogradShape shape_;
  bool turned_ = false;
};

// The gradient of the weights, summed in Winograd's points.
class WinogradGradient {
 public:
  WinogradGradient() = default;
  explicit WinogradGradient(const WinogradShape& shape) : shape_(shape) {}
  size_t size() const;
  // sums[size()] = or += the gradient of a piece.
  void run(const float* in, const float* out_gradient, bool add, float* sums, Scratch* scratch) const;
  // [filters][channels][3][3] from `count` sums, one after the other, with all threads.
  void finish(const float* sums, int count, float* gradient) const;

 private:
  WinogradShape shape_;
};

}  // namespace dng
