#include "train/sgd.h"

namespace dng {

Sgd::Sgd(std::vector<Parameter>* parameters, const SgdSettings& settings)
    : parameters_(parameters), settings_(settings) {}

void Sgd::begin() {
  if (!settings_.nesterov) return;
  before_.resize(parameters_->size());
  for (size_t i = 0; i < parameters_->size(); ++i) {
    const Parameter& p = (*parameters_)[i];
    before_[i].assign(p.update, p.update + p.count);
  }
}

void Sgd::step(double rate, int batch) {
  const auto momentum = static_cast<float>(settings_.momentum);
  for (size_t k = 0; k < parameters_->size(); ++k) {
    const Parameter& p = (*parameters_)[k];
    if (p.frozen) continue;
    const float factor = static_cast<float>(rate) * p.rate_factor / static_cast<float>(batch);
    const float pull = p.decays ? static_cast<float>(settings_.decay) * static_cast<float>(batch) : 0.0f;
    for (int64_t i = 0; i < p.count; ++i) {
      float update = p.update[i];
      if (p.decays) update -= pull * p.value[i];
      const float move = settings_.nesterov ? (1 + momentum) * update - before_[k][static_cast<size_t>(i)] : update;
      p.value[i] += factor * move;
      p.update[i] = momentum * update;
    }
  }
}

}  // namespace dng
