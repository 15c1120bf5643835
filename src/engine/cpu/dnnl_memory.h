// oneDNN on the CPU: one engine, one stream, and memory that is reordered only where layouts differ.
#pragma once

#include <dnnl.hpp>
#include <vector>

#include "engine/layout.h"

namespace dng {

dnnl::engine& dnnl_engine();
dnnl::stream& dnnl_stream();

// A float32 activation [batch][shape] in one of our layouts.
dnnl::memory::desc activation_desc(const Geometry& shape, int batch, Layout layout);

// Brings numbers from one layout to another; where both are the same it only passes the pointer on.
class Reorder {
 public:
  Reorder() = default;
  Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);
  bool needed() const { return needed_; }
  // The numbers in the layout `to`: `from` itself, or a buffer that holds until the next run.
  float* run(float* from);
  // The same into a buffer of the caller's.
  void run(float* from, float* to);
  // The buffer that run(from) would fill; for results that are brought back by another Reorder.
  float* buffer() { return buffer_.data(); }

 private:
  bool needed_ = false;
  dnnl::memory::desc from_, to_;
  dnnl::reorder reorder_;
  std::vector<float> buffer_;
};

}  // namespace dng
