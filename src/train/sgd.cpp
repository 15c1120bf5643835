#include "train/sgd.h"

#include "base/simd.h"
#include "math/sgd_math.h"

namespace dng::train {
namespace {

DNG_SIMD_CLONES void plain_step(float* __restrict value, float* __restrict update, int64_t count,
                                math::SgdRates rates) {
  for (int64_t i = 0; i < count; ++i) {
    math::plain_sgd(rates, value + i, update + i);
  }
}

DNG_SIMD_CLONES void nesterov_step(float* __restrict value, float* __restrict update, const float* __restrict before,
                                   int64_t count, math::SgdRates rates) {
  for (int64_t i = 0; i < count; ++i) {
    math::nesterov_sgd(rates, before[i], value + i, update + i);
  }
}

}  // namespace

Sgd::Sgd(std::vector<graph::Parameter>* parameters, const SgdSettings& settings)
    : parameters_(parameters), settings_(settings) {}

void Sgd::begin() {
  if (!settings_.nesterov) return;
  before_.resize(parameters_->size());
  for (size_t i = 0; i < parameters_->size(); ++i) {
    const graph::Parameter& p = (*parameters_)[i];
    before_[i].assign(p.update, p.update + p.count);
  }
}

void Sgd::step(double rate, int batch) {
  for_slices(*parameters_, [&](const Slice& slice) {
    const graph::Parameter& p = (*parameters_)[slice.parameter];
    const math::SgdRates rates =
        math::sgd_rates(static_cast<float>(rate), p.rate_factor, batch,
                        p.decays ? static_cast<float>(settings_.decay) : 0.0f, static_cast<float>(settings_.momentum));
    float *value = p.value + slice.first, *update = p.update + slice.first;
    if (settings_.nesterov) {
      nesterov_step(value, update, before_[slice.parameter].data() + slice.first, slice.count, rates);
    } else {
      plain_step(value, update, slice.count, rates);
    }
  });
}

}  // namespace dng::train
