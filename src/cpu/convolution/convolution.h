// A convolution on a micro-batch at a time, on one thread; any number of threads may run it at once. There are two
// algorithms: oneDNN's direct one, and Winograd's F(4x4, 3x3) (cpu/convolution/winograd.h), which takes fewer products
// and has a larger rounding error (tested: below 1e-4 of the largest value of the tensor). Which of them follows from
// the shape and the instructions alone, by what was measured; never from a clock, because then two runs could differ.
//
// Blocked tensors must lie at multiples of 64 bytes: oneDNN may write them past the cache.
#pragma once

#include <memory>

#include "cpu/convolution/convolution_shape.h"

namespace dng::cpu {

class Workspace;

class TrainingConvolution {
 public:
  virtual ~TrainingConvolution() = default;

  // Before all forward and before all backward_data of a batch, from one thread, for all: the weights in Darknet's
  // layout. What is taken of `workspace` has to stay until the last of them.
  virtual void prepare_forward(const float* weights, Workspace* workspace) = 0;
  virtual void prepare_backward(const float* weights, Workspace* workspace) = 0;

  virtual void forward(const float* in, float* out, Workspace* workspace) const = 0;
  virtual void backward_data(const float* out_gradient, float* in_gradient, Workspace* workspace) const = 0;
  // Overwrites gradient[gradient_size()], or adds to it; its layout is the algorithm's own.
  virtual void backward_weights(const float* in, const float* out_gradient, bool add, float* gradient,
                                Workspace* workspace) const = 0;
  virtual size_t gradient_size() const = 0;
  // Adds such gradients, `parts` of each shard, one after the other, to one in Darknet's layout, with all threads:
  // those of a shard in their order, then the shards (cpu/shards.h). Destroys them.
  virtual void add_gradients(float* gradients, int shards, int parts, float* weights) = 0;
};

// Forward alone, with bias and relu in the same pass.
class InferenceConvolution {
 public:
  virtual ~InferenceConvolution() = default;
  // Before a batch, from one thread: weights times factor[filter] (null: 1), and shift[filter].
  virtual void set_weights(const float* weights, const float* factor, const float* shift) = 0;
  virtual void forward(const float* in, float* out, Workspace* workspace) const = 0;
};

// By the algorithm that is faster for the shape.
std::unique_ptr<TrainingConvolution> make_training_convolution(const ConvolutionShape& shape);
std::unique_ptr<InferenceConvolution> make_inference_convolution(const ConvolutionShape& shape, bool relu);

// By one algorithm; Winograd only where winograd_fits(shape).
std::unique_ptr<TrainingConvolution> make_direct_training(const ConvolutionShape& shape);
std::unique_ptr<InferenceConvolution> make_direct_inference(const ConvolutionShape& shape, bool relu);
std::unique_ptr<TrainingConvolution> make_winograd_training(const ConvolutionShape& shape);
std::unique_ptr<InferenceConvolution> make_winograd_inference(const ConvolutionShape& shape, bool relu);

}  // namespace dng::cpu
