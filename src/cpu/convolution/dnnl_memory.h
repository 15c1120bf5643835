// oneDNN on the CPU: one engine, a stream per thread, and memory that is reordered only where layouts differ.
#pragma once

#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "cpu/layout.h"
#include "cpu/values.h"

namespace dng::cpu {

dnnl::engine& dnnl_engine();
dnnl::stream& dnnl_stream();

inline dnnl::memory dnnl_memory(const dnnl::memory::desc& desc, const float* data) {
  return dnnl::memory(desc, dnnl_engine(), const_cast<float*>(data));
}

// A float32 activation [batch][shape] in a layout of cpu/layout.h; blocked ones with the channels that padding added.
dnnl::memory::desc activation_desc(const data::Geometry& shape, int batch, Layout layout);

// Scratchpads are the caller's, so that threads can share a primitive.
dnnl::primitive_attr shareable();
void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
         std::unordered_map<int, dnnl::memory> arguments, Workspace* workspace);

// Reorders a tensor from one layout to another, with all threads (so not to be made under OneThread); where both are
// the same it returns the pointer itself.
class Reorder {
 public:
  Reorder() = default;
  Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);
  // `from` itself, or a buffer that holds until the next run.
  float* run(float* from);

 private:
  bool needed_ = false;
  dnnl::memory::desc from_, to_;
  dnnl::reorder reorder_;
  Values buffer_;
};

// The same on one thread, and several at once.
class MicroBatchReorder {
 public:
  MicroBatchReorder() = default;
  // To be made under OneThread (cpu/parallel.h).
  MicroBatchReorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);
  // `from` itself, or memory of the workspace.
  const float* run(const float* from, Workspace* workspace) const;
  // Where a primitive should write: `to` itself, or memory of the workspace, to be brought over by finish.
  float* target(float* to, Workspace* workspace) const;
  void finish(const float* target, float* to, Workspace* workspace) const;

 private:
  void run(const float* from, float* to, Workspace* workspace) const;
  bool needed_ = false;
  dnnl::memory::desc from_, to_;
  dnnl::reorder::primitive_desc desc_;
  dnnl::reorder reorder_;
};

}  // namespace dng::cpu
