// The weights of a convolution: as Darknet has them, [filters][channels / groups][size][size], and with the channels
// that blocks add, which are zero.
#pragma once

#include <dnnl.hpp>
#include <vector>

#include "cpu/convolution/convolution_shape.h"
#include "cpu/values.h"

namespace dng::cpu {

class ConvolutionWeights {
 public:
  explicit ConvolutionWeights(const ConvolutionShape& shape);
  // With the channels as stored.
  const dnnl::memory::desc& desc() const { return desc_; }
  const dnnl::memory::dims& dims() const { return dims_; }
  // Darknet's weights, times factor[filter] where it is not null, in desc().
  float* pad(const float* weights, const float* factor);
  // Adds `padded`, in desc(), to Darknet's weights.
  void add(const float* padded, float* weights) const;
  size_t size() const { return padded_.size(); }

 private:
  bool same_channels() const;
  // Where the weights of a filter begin among its stored ones.
  size_t first(int filter) const;
  int filters_, channels_, stored_filters_, stored_channels_, window_, groups_, stored_groups_, merged_groups_;
  dnnl::memory::dims dims_;
  dnnl::memory::desc desc_;
  Values padded_;
};

}  // namespace dng::cpu
