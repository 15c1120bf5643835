#include "train/sgd.h"

#include <algorithm>

#include "base/simd.h"
#include "cpu/parallel.h"
#include "math/sgd_math.h"

namespace dng::train {
namespace {

// Small enough that the threads share large parameters, large enough to make scheduling negligible.
constexpr int64_t kSlice = int64_t{1} << 15;

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
  struct Slice {
    size_t parameter;
    int64_t first;
  };
  std::vector<Slice> slices;
  for (size_t k = 0; k < parameters_->size(); ++k) {
    const graph::Parameter& p = (*parameters_)[k];
    for (int64_t first = 0; !p.frozen && first < p.count; first += kSlice) slices.push_back({k, first});
  }
  cpu::for_tasks(static_cast<int>(slices.size()), [&](int i, cpu::Workspace&) {
    const Slice& slice = slices[static_cast<size_t>(i)];
    const graph::Parameter& p = (*parameters_)[slice.parameter];
    const int64_t count = std::min(kSlice, p.count - slice.first);
    const math::SgdRates rates =
        math::sgd_rates(static_cast<float>(rate), p.rate_factor, batch,
                        p.decays ? static_cast<float>(settings_.decay) : 0.0f, static_cast<float>(settings_.momentum));
    float *value = p.value + slice.first, *update = p.update + slice.first;
    if (settings_.nesterov) {
      nesterov_step(value, update, before_[slice.parameter].data() + slice.first, count, rates);
    } else {
      plain_step(value, update, count, rates);
    }
  });
}

}  // namespace dng::train
