// Convolutions of 3x3 and stride 1 by Winograd's F(4x4, 3x3) on a micro-batch, on one thread; any number
// of threads may run one at once. For processors with AVX2, AVX-512 or NEON; see cpu/convolution/winograd_math.h for
// the arithmetic.
#pragma once

#include <cstddef>

#include "cpu/convolution/winograd_tiles.h"

namespace dng::cpu {

class Workspace;

// kRotated: by 180 degrees, as backward-data has them; in and out of the shape are then the gradients of the output and
// of the input.
enum class WinogradWeights { kForward, kRotated };

class WinogradConvolution {
 public:
  WinogradConvolution(const WinogradShape& shape, WinogradWeights weights) : shape_(shape), weights_(weights) {}
  size_t points_size() const;
  // points[points_size()] from the forward convolution's [filters][channels][3][3], with all threads.
  void transform(const float* weights, float* points) const;
  // out = in * weights + bias, the latter where it is not null; negative values become 0 where `relu`.
  void run(const float* in, const float* points, const float* bias, bool relu, float* out, Workspace* workspace) const;

 private:
  WinogradShape shape_;
  WinogradWeights weights_;
};

// The gradient of the weights, summed in Winograd's points.
class WinogradGradient {
 public:
  explicit WinogradGradient(const WinogradShape& shape) : shape_(shape) {}
  size_t size() const;
  // sums[size()] = or += the gradient of a micro-batch.
  void run(const float* in, const float* out_gradient, bool add, float* sums, Workspace* workspace) const;
  // From such sums, `parts` of each shard, one after the other, with all threads: [shard][filters][channels][3][3], of
  // which the first becomes the gradient of all shards.
  void finish(const float* sums, int shards, int parts, float* gradients) const;

 private:
  WinogradShape shape_;
};

}  // namespace dng::cpu
