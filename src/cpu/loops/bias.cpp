#include "cpu/loops/bias.h"

#include <algorithm>

namespace dng::cpu {

Bias::Bias(const host::Block& block, const Rows& rows, const Shards& shards)
    : block_(block),
      rows_(rows),
      shards_(shards),
      partial_(static_cast<size_t>(rows.channels) * static_cast<size_t>(shards.batch())) {}

void Bias::apply(int images, math::Activation activation, float* x) const {
  const float zero[kLanes] = {};
  float one[kLanes], shift[kLanes];
  std::fill(one, one + kLanes, 1.0f);
  for (int i = 0; i < images; ++i) {
    for (int row = 0; row < rows_.count(); ++row) {
      float* values = x + static_cast<size_t>(i) * rows_.size() + rows_.offset(row);
      for (int l = 0; l < kLanes; ++l) {
        const int channel = rows_.channel(row, l);
        shift[l] = channel < block_.count ? block_.value[channel] : 0.0f;
      }
      row_affine(values, rows_.length(), zero, one, shift, activation, values);
    }
  }
}

void Bias::gradient_sums(const graph::Range& range, const float* delta) {
  for (int i = 0; i < range.count; ++i) {
    double* sums = partial_.data() + static_cast<size_t>(range.first + i) * static_cast<size_t>(rows_.channels);
    for (int row = 0; row < rows_.count(); ++row) {
      float acc[kLanes] = {};
      row_sum(delta + static_cast<size_t>(i) * rows_.size() + rows_.offset(row), rows_.length(), acc);
      spread_lanes(acc, rows_, sums + rows_.channel(row));
    }
  }
}

void Bias::finish_gradient() {
  const std::vector<double> sums = sum_over_images(partial_, shards_, rows_.channels, 0);
  std::vector<float> rounded(sums.begin(), sums.end());
  add_shards(shards_.count, static_cast<size_t>(rows_.channels), rounded.data());
  row_accumulate(rounded.data(), static_cast<size_t>(block_.count), block_.update);
}

}  // namespace dng::cpu
