#include "engine/cpu/dnnl_memory.h"

namespace dng {

dnnl::engine& dnnl_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& dnnl_stream() {
  static dnnl::stream stream(dnnl_engine());
  return stream;
}

dnnl::memory::desc activation_desc(const Geometry& shape, int batch, Layout layout) {
  using Tag = dnnl::memory::format_tag;
  return {{batch, shape.channels, shape.height, shape.width},
          dnnl::memory::data_type::f32,
          layout == Layout::kBlocked ? Tag::nChw16c : Tag::nchw};
}

Reorder::Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to)
    : needed_(from != to), from_(from), to_(to) {
  if (!needed_) return;
  reorder_ = dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), from_, dnnl_engine(), to_));
  buffer_.resize(to_.get_size() / sizeof(float));
}

float* Reorder::run(float* from) {
  if (!needed_) return from;
  run(from, buffer_.data());
  return buffer_.data();
}

void Reorder::run(float* from, float* to) {
  dnnl::memory source(from_, dnnl_engine(), from), target(to_, dnnl_engine(), to);
  reorder_.execute(dnnl_stream(), source, target);
  dnnl_stream().wait();
}

}  // namespace dng
