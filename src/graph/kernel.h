// What fusion and planning ask of a kernel, whatever the device: what can be fused with it, and what it needs in
// training.
#pragma once

#include <cstddef>

#include "math/activation.h"

namespace dng::graph {

struct Node;

// How a kernel takes part in training.
struct Role {
  // A kernel that is not by_range uses the whole buffers of its sources.
  bool by_range = false;                  // reads its sources, and accumulates their gradients, some images at a time
  bool lazy = false;                      // computes any range of its output, any number of times
  bool costly = false;                    // lazy: computed once and stored, instead of again for every reader
  bool passes_through = false;            // its backward pass only passes the gradient through, in its epilogue
  bool passes_through_unchanged = false;  // passes_through: every source gets the whole gradient
  bool gradient_in_forward = false;       // a cost that writes its source's gradient in its forward pass
  bool changes_delta = false;             // its backward epilogue writes to the delta
  bool reads_input = true;                // its backward pass does
  bool reads_output = true;               // the same of its own output
  bool computes_statistics = false;       // lazy, yet forward() reads the sources
  bool takes_strides = false;             // reads sources that have gaps between the images
  size_t saved = 0;                       // floats, saved from forward for backward
  size_t workspace = 0;                   // floats, during backward
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // The kernel is this function and nothing else; null: it is more.
  virtual const math::Activation* activation() const { return nullptr; }
  // From now on applies the function to its output, too; false: it cannot.
  virtual bool fuse_activation(math::Activation) { return false; }
  // The output is activation(sum of two sources of equal shapes), and nothing else; null: it is more.
  virtual const math::Activation* sum_activation() const { return nullptr; }
  // From now on adds the output of another node, its last source, before it applies this activation; false: it cannot.
  virtual bool fuse_sum(math::Activation) { return false; }
  // A 1x1 convolution of stride 1: it can read every n-th row and column of what a [maxpool] of size 1 would subsample.
  virtual bool can_subsample() const { return false; }
  // n where the output is every n-th row and column of the first source and nothing else; 0 where it is something else.
  virtual int subsample_factor() const { return 0; }
  // The output is the sources' channels one behind the other, and nothing else.
  virtual bool is_concatenation() const { return false; }
  // Sizes are for the whole batch.
  virtual Role training_role(const Node&) const = 0;

 protected:
  // fuse_activation of a kernel whose own activation is `own`.
  static bool fuse(math::Activation activation, math::Activation* own) {
    if (*own != math::Activation::kLinear) return false;
    *own = activation;
    return true;
  }
};

}  // namespace dng::graph
