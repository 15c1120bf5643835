// A convolution on a micro-batch of the batch at a time, on one thread; any number of threads may run it at once.
// Directly by oneDNN, or by Winograd's F(4x4, 3x3) (cpu/convolution/winograd.h), which takes fewer products and has a
// larger rounding error (tested: below 1e-4 of the largest number of the tensor). Which of them follows from the shape
// and the instructions alone, by what was measured; never from a clock, because then two runs could differ.
#pragma once

#include <dnnl.hpp>
#include <memory>
#include <vector>

#include "cpu/convolution/convolution_shape.h"
#include "cpu/convolution/dnnl_memory.h"
#include "cpu/convolution/winograd.h"
#include "cpu/layout.h"

namespace dng::cpu {

class Workspace;

// Blocked tensors must lie at multiples of 64 bytes: oneDNN may write them past the cache.

// What both directions share: channels as stored, weights as Darknet has them and as the primitives want them.
class ConvolutionWeights {
 public:
  explicit ConvolutionWeights(const ConvolutionShape& shape);
  // [filters][channels / groups][size][size] with the channels as stored; zero where padding added them.
  const dnnl::memory::desc& desc() const { return desc_; }
  const dnnl::memory::dims& dims() const { return dims_; }
  // Darknet's numbers, times factor[filter] where it is not null, in `desc`.
  float* pad(const float* weights, const float* factor);
  // The other way round: adds what `padded` has in desc() to Darknet's numbers.
  void add(const float* padded, float* weights) const;
  size_t size() const { return padded_.size(); }

 private:
  bool same_channels() const;
  int filters_, channels_, stored_filters_, stored_channels_, window_, groups_;
  dnnl::memory::dims dims_;
  dnnl::memory::desc desc_;
  std::vector<float> padded_;
};

class TrainingConvolution {
 public:
  explicit TrainingConvolution(const ConvolutionShape& shape);

  // Before all forward and before all backward_data of a batch, from one thread, for all: the weights in Darknet's
  // layout. What is taken of `workspace` has to stay until the last of them.
  void prepare_forward(const float* weights, Workspace* workspace);
  void prepare_backward(const float* weights, Workspace* workspace);

  void forward(const float* in, float* out, Workspace* workspace) const;
  void backward_data(const float* out_gradient, float* in_gradient, Workspace* workspace) const;
  // Overwrites gradient[gradient_size()], or adds to it; its layout is the algorithm's own.
  void backward_weights(const float* in, const float* out_gradient, bool add, float* gradient,
                        Workspace* workspace) const;
  size_t gradient_size() const;
  // Adds `count` such gradients, one after the other, in their order to one in Darknet's layout, with all threads. What
  // they are is lost.
  void add_gradients(float* gradients, int count, float* weights);

 private:
  struct Winograd {
    WinogradConvolution forward, data;
    WinogradGradient weights;
    std::vector<float> gradient;  // of Darknet's layout, with the channels as stored
  };
  void make_primitives(const ConvolutionShape& shape);
  ConvolutionWeights weights_;
  std::unique_ptr<Winograd> winograd_;  // where it pays; then nothing below is there
  dnnl::convolution_forward::primitive_desc forward_desc_;
  dnnl::convolution_backward_data::primitive_desc data_desc_;
  dnnl::convolution_backward_weights::primitive_desc weights_desc_;
  dnnl::convolution_forward forward_;
  dnnl::convolution_backward_data data_;
  dnnl::convolution_backward_weights weights_gradient_;
  MicroBatchReorder forward_in_, forward_out_, data_out_, data_in_, weights_in_, weights_out_;
  Reorder forward_weights_, data_weights_, gradient_;
  const float* forward_ready_ = nullptr;
  const float* data_ready_ = nullptr;
};

// Forward alone, with a bias and relu in the same go.
class InferenceConvolution {
 public:
  InferenceConvolution(const ConvolutionShape& shape, bool relu);
  // Before a batch, from one thread: weights times factor[filter] (null: 1), and shift[filter].
  void set_weights(const float* weights, const float* factor, const float* shift);
  void forward(const float* in, float* out, Workspace* workspace) const;

 private:
  void make_primitives(const ConvolutionShape& shape, bool relu);
  ConvolutionWeights weights_;
  int filters_;
  bool relu_;
  std::vector<float> bias_;
  std::unique_ptr<WinogradConvolution> winograd_;  // where it pays; then nothing below is there but ready_
  std::vector<float> points_;
  dnnl::convolution_forward::primitive_desc desc_;
  dnnl::convolution_forward forward_;
  MicroBatchReorder in_, out_;
  Reorder ready_weights_;
  const float* ready_ = nullptr;
};

}  // namespace dng::cpu
