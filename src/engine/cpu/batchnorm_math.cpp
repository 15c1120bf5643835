#include "engine/cpu/batchnorm_math.h"

#include <algorithm>
#include <cmath>

namespace dng {
namespace {

// Adds 16 lane sums of a row to what belongs to its channels.
void spread(const float* acc, const Rows& rows, int row, double* partial) {
  double* to = partial + static_cast<size_t>(rows.image(row)) * rows.channels + rows.channel(row);
  if (rows.block == kLanes) {
    for (int l = 0; l < kLanes; ++l) to[l] = acc[l];
  } else {
    double sum = 0;
    for (int l = 0; l < kLanes; ++l) sum += acc[l];
    *to = sum;
  }
}

// Sums over images in a fixed order.
double over_images(const std::vector<double>& partial, const Rows& rows, int channel) {
  double sum = 0;
  for (int b = 0; b < rows.batch; ++b) sum += partial[static_cast<size_t>(b) * rows.channels + channel];
  return sum;
}

}  // namespace

BatchNorm::BatchNorm(const std::vector<host::Block>& blocks, const Rows& rows, float rolling_rate)
    : rows_(rows), rolling_rate_(rolling_rate) {
  for (const host::Block& block : blocks) {
    switch (block.kind) {
      case host::Block::Kind::kBias:
        bias_ = block;
        break;
      case host::Block::Kind::kScale:
        scale_ = block;
        break;
      case host::Block::Kind::kMean:
        rolling_mean_ = block.value;
        break;
      case host::Block::Kind::kVariance:
        rolling_variance_ = block.value;
        break;
      case host::Block::Kind::kWeight:
        break;
    }
  }
  const auto channels = static_cast<size_t>(rows_.channels);
  for (std::vector<float>* values : {&mean_, &variance_, &a_, &b_, &c_}) values->resize(channels);
  partial_.resize(channels * static_cast<size_t>(rows_.batch));
  partial2_.resize(partial_.size());
}

const float* BatchNorm::lanes(const std::vector<float>& per_channel, int row, float* buffer) const {
  const float* first = per_channel.data() + rows_.channel(row);
  if (rows_.block == kLanes) return first;
  std::fill(buffer, buffer + kLanes, *first);
  return buffer;
}

void BatchNorm::measure(const float* x, int64_t steps) {
  const double count = static_cast<double>(rows_.space) * rows_.batch;
  const double rate = std::max(rolling_rate_, 1.0 / static_cast<double>(steps + 1));
#pragma omp parallel for
  for (int row = 0; row < rows_.count(); ++row) {
    float acc[kLanes] = {};
    row_sum(x + rows_.offset(row), rows_.length(), acc);
    spread(acc, rows_, row, partial_.data());
  }
  for (int c = 0; c < rows_.channels; ++c) {
    mean_[static_cast<size_t>(c)] = static_cast<float>(over_images(partial_, rows_, c) / count);
  }
#pragma omp parallel for
  for (int row = 0; row < rows_.count(); ++row) {
    float acc[kLanes] = {}, buffer[kLanes];
    row_squares(x + rows_.offset(row), rows_.length(), lanes(mean_, row, buffer), acc);
    spread(acc, rows_, row, partial_.data());
  }
  for (int c = 0; c < rows_.channels; ++c) {
    const auto i = static_cast<size_t>(c);
    variance_[i] = static_cast<float>(over_images(partial_, rows_, c) / (count - 1));
    rolling_mean_[i] = static_cast<float>((1 - rate) * rolling_mean_[i] + rate * mean_[i]);
    rolling_variance_[i] = static_cast<float>((1 - rate) * rolling_variance_[i] + rate * variance_[i]);
  }
}

void BatchNorm::forward(const float* x, const Pass& pass, Activation activation, float* y) {
  if (pass.training) measure(x, pass.steps);
  const host::BatchNormRules& rules = host::traits().batchnorm;
  for (int c = 0; c < rows_.channels; ++c) {
    const auto i = static_cast<size_t>(c);
    c_[i] = pass.training ? mean_[i] : rolling_mean_[i];
    const double variance = pass.training ? variance_[i] : rolling_variance_[i];
    a_[i] = static_cast<float>(scale_.value[i] / rules.divisor(variance));
    b_[i] = bias_.value[i];
  }
#pragma omp parallel for
  for (int row = 0; row < rows_.count(); ++row) {
    float mean[kLanes], factor[kLanes], shift[kLanes];
    row_affine(x + rows_.offset(row), rows_.length(), lanes(c_, row, mean), lanes(a_, row, factor),
               lanes(b_, row, shift), activation, y + rows_.offset(row));
  }
}

void BatchNorm::backward(const float* x, float* delta) {
  const host::BatchNormRules& rules = host::traits().batchnorm;
  const double count = static_cast<double>(rows_.space) * rows_.batch;
#pragma omp parallel for
  for (int row = 0; row < rows_.count(); ++row) {
    float sum[kLanes] = {}, product[kLanes] = {}, buffer[kLanes];
    row_gradient_sums(delta + rows_.offset(row), x + rows_.offset(row), rows_.length(), lanes(mean_, row, buffer), sum,
                      product);
    spread(sum, rows_, row, partial_.data());
    spread(product, rows_, row, partial2_.data());
  }
  for (int c = 0; c < rows_.channels; ++c) {
    const auto i = static_cast<size_t>(c);
    const double sum = over_images(partial_, rows_, c), product = over_images(partial2_, rows_, c);
    const double variance = variance_[i], scale = scale_.value[i];
    const double inverse = 1.0 / std::sqrt(variance + rules.backward_epsilon);
    const double direct = rules.direct_outside ? 1.0 / (std::sqrt(variance) + rules.backward_epsilon) : inverse;
    bias_.update[i] += static_cast<float>(sum);
    scale_.update[i] += static_cast<float>(product / rules.divisor(variance));
    a_[i] = static_cast<float>(scale * direct);
    b_[i] = static_cast<float>(-scale * product * inverse * inverse * inverse / count);
    c_[i] = static_cast<float>(-scale * sum * inverse / count);
  }
#pragma omp parallel for
  for (int row = 0; row < rows_.count(); ++row) {
    float mean[kLanes], direct[kLanes], slope[kLanes], constant[kLanes];
    row_normalise_gradient(delta + rows_.offset(row), x + rows_.offset(row), rows_.length(), lanes(mean_, row, mean),
                           lanes(a_, row, direct), lanes(b_, row, slope), lanes(c_, row, constant));
  }
}

}  // namespace dng
