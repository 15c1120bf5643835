#include "cpu/convolution/convolution_weights.h"

#include <algorithm>

#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"

namespace dng::cpu {

using dnnl::memory;

ConvolutionWeights::ConvolutionWeights(const ConvolutionShape& shape)
    : filters_(shape.out.channels),
      channels_(shape.in.channels),
      stored_filters_(shape.stored_out()),
      stored_channels_(shape.stored_in()),
      window_(shape.size * shape.size),
      groups_(shape.groups),
      stored_groups_(shape.stored_groups()),
      merged_groups_(shape.merged_groups()),
      padded_(static_cast<size_t>(stored_filters_) * (stored_channels_ / stored_groups_) * window_) {
  const memory::dim f = stored_filters_, c = stored_channels_, k = shape.size, g = stored_groups_;
  dims_ = g > 1 ? memory::dims{g, f / g, c / g, k, k} : memory::dims{f, c, k, k};
  desc_ = {dims_, memory::data_type::f32, g > 1 ? memory::format_tag::goihw : memory::format_tag::oihw};
  if (!same_channels()) std::fill_n(padded_.data(), padded_.size(), 0.0f);
}

bool ConvolutionWeights::same_channels() const {
  return filters_ == stored_filters_ && channels_ == stored_channels_ && merged_groups_ == 1;
}

size_t ConvolutionWeights::first(int filter) const {
  const int group = filter / (filters_ / groups_);
  return static_cast<size_t>(group % merged_groups_ * (channels_ / groups_) * window_);
}

float* ConvolutionWeights::pad(const float* weights, const float* factor) {
  if (same_channels() && factor == nullptr) return const_cast<float*>(weights);
  const size_t from = static_cast<size_t>(channels_ / groups_) * window_;
  const size_t to = static_cast<size_t>(stored_channels_ / stored_groups_) * window_;
  for_tasks(filters_, [&](int filter, Workspace&) {
    const auto f = static_cast<size_t>(filter);
    const float scale = factor == nullptr ? 1.0f : factor[f];
    float* out = padded_.data() + f * to + first(filter);
    for (size_t i = 0; i < from; ++i) out[i] = weights[f * from + i] * scale;
  });
  return padded_.data();
}

void ConvolutionWeights::add(const float* padded, float* weights) const {
  const size_t to = static_cast<size_t>(channels_ / groups_) * window_;
  const size_t from = static_cast<size_t>(stored_channels_ / stored_groups_) * window_;
  for_tasks(filters_, [&](int f, Workspace&) {
    const auto filter = static_cast<size_t>(f);
    row_accumulate(padded + filter * from + first(f), to, weights + filter * to);
  });
}

}  // namespace dng::cpu
