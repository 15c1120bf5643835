// Convolutions of 3x3 and stride 1 by Winograd's F(4x4, 3x3) on a micro-batch of the batch, on one thread; any number
// of threads may run one at once. For processors with AVX2, AVX-512 or NEON; see cpu/convolution/winograd_math.h for
// the arithmetic.
#pragma once

#include <cstddef>

#include "cpu/convolution/winograd_tiles.h"

namespace dng::cpu {

class Workspace;

// The way there, or `turned` the way back: then in and out of the shape are the gradients of the output and of the
// input, and the weights are still those of the way there.
class WinogradConvolution {
 public:
  WinogradConvolution() = default;
  WinogradConvolution(const WinogradShape& shape, bool turned) : shape_(shape), rotated_(turned) {}
  size_t points_size() const;
  // points[points_size()] from the forward convolution's [filters][channels][3][3], with all threads.
  void transform(const float* weights, float* points) const;
  // out = in * weights + bias, the latter where it is not null; negative numbers become 0 where `relu`.
  void run(const float* in, const float* points, const float* bias, bool relu, float* out, Workspace* workspace) const;

 private:
  WinogradShape shape_;
  bool rotated_ = false;
};

// The gradient of the weights, summed in Winograd's points.
class WinogradGradient {
 public:
  WinogradGradient() = default;
  explicit WinogradGradient(const WinogradShape& shape) : shape_(shape) {}
  size_t size() const;
  // sums[size()] = or += the gradient of a micro-batch.
  void run(const float* in, const float* out_gradient, bool add, float* sums, Workspace* workspace) const;
  // [filters][channels][3][3] from `count` sums, one after the other, with all threads.
  void finish(const float* sums, int count, float* gradient) const;

 private:
  WinogradShape shape_;
};

}  // namespace dng::cpu
