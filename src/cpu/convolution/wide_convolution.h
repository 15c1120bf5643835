// Training a convolution whose weights are larger than the batch's images: the last stage of a network for large
// images, 512 filters at 7x7. Micro-batch by micro-batch, the weights would be read from memory as Winograd's points,
// four times as large as they are, for every micro-batch, and their gradients written there. Here the whole batch is
// transformed to points first, which stay in the caches; then every thread transforms a slice of the weights in its own
// cache, and finishes it. By Winograd's F(4x4, 3x3), see cpu/convolution/winograd_math.h. Results do not depend on the
// number of threads.
#pragma once

#include <cstddef>

#include "cpu/convolution/convolution_shape.h"
#include "graph/pass.h"

namespace dng::cpu {

class WideConvolution {
 public:
  // Whether it is faster than a TrainingConvolution of micro-batches: follows from the shape and the instructions
  // alone. The micro-batch of the shape does not matter.
  static bool pays(const ConvolutionShape& shape, int batch);

  WideConvolution(const ConvolutionShape& shape, int batch);

  // Floats of the points of the inputs, and of the outputs' gradients for backward-data and for backward-weights.
  size_t inputs_size() const { return size_of(forward_.in, forward_); }
  size_t data_size() const { return size_of(backward_data_.in, backward_data_); }
  size_t tiles_size() const { return size_of(forward_.out, forward_); }

  // Points of a range of the images, which lie one right behind the other; from several threads at once.
  void read_inputs(const float* in, const graph::Range& range, float* inputs) const;
  void read_gradients_for_data(const float* out_gradient, const graph::Range& range, float* data) const;
  void read_gradients_for_weights(const float* out_gradient, const graph::Range& range, float* tiles) const;

  // From the points of the whole batch, with all threads. Weights in Darknet's layout; `update` is added to.
  void forward(const float* weights, const float* inputs, float* out) const;
  void backward_data(const float* weights, const float* data, float* in_gradient) const;
  void backward_weights(const float* inputs, const float* tiles, float* update) const;

 private:
  static size_t size_of(const data::Geometry& image, const WinogradShape& shape);
  WinogradShape forward_, backward_data_;
};

}  // namespace dng::cpu
