#include "train/adam.h"

#include <algorithm>

#include "base/simd.h"
#include "host/host.h"

namespace dng::train {
namespace {

// update: in, the gradient; out, m.
DNG_SIMD_CLONES void adam_step(float* __restrict value, float* __restrict update, const float* __restrict mean,
                               float* __restrict square, int64_t count, math::AdamRates rates) {
  for (int64_t i = 0; i < count; ++i) {
    float m = mean[i];
    math::adam(rates, update[i], value + i, &m, square + i);
    update[i] = m;
  }
}

}  // namespace

math::AdamSettings adam_settings(const cfg::Options& net) {
  return {net.real("B1"), net.real("B2"), net.has("eps") ? net.real("eps") : host::traits().adam_epsilon};
}

Adam::Adam(std::vector<graph::Parameter>* parameters, const math::AdamSettings& settings, double decay, int64_t updates)
    : parameters_(parameters), settings_(settings), decay_(decay), updates_(updates), means_(parameters->size()) {}

void Adam::begin() {
  for (size_t i = 0; i < parameters_->size(); ++i) {
    const graph::Parameter& p = (*parameters_)[i];
    if (p.frozen) continue;
    means_[i].assign(p.update, p.update + p.count);
    std::fill_n(p.update, p.count, 0.0f);
  }
}

void Adam::step(double rate, int batch) {
  const math::AdamCorrections corrections = math::adam_corrections(settings_, ++updates_);
  for_slices(*parameters_, [&](const Slice& slice) {
    const graph::Parameter& p = (*parameters_)[slice.parameter];
    const math::AdamRates rates = math::adam_rates(settings_, corrections, static_cast<float>(rate), p.rate_factor,
                                                   batch, static_cast<float>(decay_));
    adam_step(p.value + slice.first, p.update + slice.first, means_[slice.parameter].data() + slice.first,
              p.second + slice.first, slice.count, rates);
  });
}

}  // namespace dng::train
