#include "cpu/convolution/dnnl_memory.h"

#include "cpu/workspace.h"

namespace dng::cpu {

dnnl::engine& dnnl_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& dnnl_stream() {
  static thread_local dnnl::stream stream(dnnl_engine());
  return stream;
}

dnnl::memory::desc activation_desc(const data::Geometry& shape, int batch, Layout layout) {
  using Tag = dnnl::memory::format_tag;
  // Padding is declared as channels like others: oneDNN would clear it at every use.
  return {{batch, Rows(shape, layout).channels, shape.height, shape.width},
          dnnl::memory::data_type::f32,
          layout != Layout::kBlocked ? Tag::nchw
          : block_channels() == 16   ? Tag::nChw16c
          : block_channels() == 4    ? Tag::nChw4c
                                     : Tag::nChw8c};
}

dnnl::primitive_attr shareable() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
         std::unordered_map<int, dnnl::memory> arguments, Workspace* workspace) {
  const WorkspaceFrame frame(workspace);
  if (scratchpad.get_size() > 0) {
    float* memory = workspace->take((scratchpad.get_size() + sizeof(float) - 1) / sizeof(float));
    arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl_memory(scratchpad, memory));
  }
  primitive.execute(dnnl_stream(), arguments);
  dnnl_stream().wait();
}

Reorder::Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to)
    : needed_(from != to), from_(from), to_(to) {
  if (!needed_) return;
  reorder_ = dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), from_, dnnl_engine(), to_));
  buffer_ = Values(to_.get_size() / sizeof(float));
}

float* Reorder::run(float* from) {
  if (!needed_) return from;
  dnnl::memory source = dnnl_memory(from_, from), target = dnnl_memory(to_, buffer_.data());
  reorder_.execute(dnnl_stream(), source, target);
  dnnl_stream().wait();
  return buffer_.data();
}

MicroBatchReorder::MicroBatchReorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to)
    : needed_(from != to), from_(from), to_(to) {
  if (!needed_) return;
  desc_ = dnnl::reorder::primitive_desc(dnnl_engine(), from_, dnnl_engine(), to_, shareable());
  reorder_ = dnnl::reorder(desc_);
}

void MicroBatchReorder::run(const float* from, float* to, Workspace* workspace) const {
  cpu::run(reorder_, desc_.scratchpad_desc(),
           {{DNNL_ARG_FROM, dnnl_memory(from_, from)}, {DNNL_ARG_TO, dnnl_memory(to_, to)}}, workspace);
}

const float* MicroBatchReorder::run(const float* from, Workspace* workspace) const {
  if (!needed_) return from;
  float* to = workspace->take(to_.get_size() / sizeof(float));
  run(from, to, workspace);
  return to;
}

float* MicroBatchReorder::target(float* to, Workspace* workspace) const {
  return needed_ ? workspace->take(from_.get_size() / sizeof(float)) : to;
}

void MicroBatchReorder::finish(const float* target, float* to, Workspace* workspace) const {
  if (needed_) run(target, to, workspace);
}

}  // namespace dng::cpu
