#include "train/gradient_exchange.h"

#include <algorithm>

#include "cpu/loops/row_math.h"

namespace dng::train {

GradientExchange::GradientExchange(network::Network* network, const Ranks& ranks) : network_(network), ranks_(ranks) {
  size_t count = 0;
  for (const graph::Parameter& p : network->parameters()) count += static_cast<size_t>(p.count);
  const auto size = static_cast<size_t>(ranks.size());
  slice_ = (count + size - 1) / size;
  all_.resize(slice_ * size);
  slices_.resize(slice_ * size);
}

void GradientExchange::begin() {
  for_updates([](const float* update, float* at, size_t count) { std::copy_n(update, count, at); });
  const auto first = all_.begin() + static_cast<std::ptrdiff_t>(slice_) * ranks_.all().rank();
  sum_.assign(first, first + static_cast<std::ptrdiff_t>(slice_));
  clear_updates();
}

// To -0, which changes nothing that is added to it, 0 and -0 included.
void GradientExchange::clear_updates() {
  for_updates([](float* update, float*, size_t count) { std::fill_n(update, count, -0.0f); });
}

void GradientExchange::add() {
  for_updates([](const float* update, float* at, size_t count) { std::copy_n(update, count, at); });
  ranks_.all().exchange(all_.data(), slices_.data(), slice_);
  const auto slice = [&](int rank) { return slices_.data() + static_cast<size_t>(rank) * slice_; };
  for (int part = 0; part < ranks_.parts(); ++part) {
    for_sum_tree(
        ranks_.sharing(), [&](int to, int from) { cpu::row_accumulate(slice(from), slice_, slice(to)); },
        ranks_.first_of(part));
    cpu::row_accumulate(slice(ranks_.first_of(part)), slice_, sum_.data());
  }
  clear_updates();
}

void GradientExchange::finish() {
  ranks_.all().gather(sum_.data(), all_.data(), slice_ * sizeof(float));
  for_updates([](float* update, const float* at, size_t count) { std::copy_n(at, count, update); });
}

}  // namespace dng::train
