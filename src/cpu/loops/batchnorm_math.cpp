#include "cpu/loops/batchnorm_math.h"

#include <algorithm>
#include <cmath>

#include "base/sum_tree.h"
#include "cpu/workspace.h"
#include "math/batchnorm_formulas.h"

namespace dng::cpu {

BatchNorm::BatchNorm(const std::vector<host::Block>& blocks, const Rows& rows, const Shards& shards, float rolling_rate,
                     RankStatistics* ranks)
    : rows_(rows), shards_(shards), real_channels_(rows.channels), rolling_rate_(rolling_rate), ranks_(ranks) {
  if (ranks_ != nullptr) ranks_->list.push_back(this);
  for (const host::Block& block : blocks) {
    switch (block.kind) {
      case host::Block::Kind::kBias:
        bias_ = block;
        real_channels_ = static_cast<int>(block.count);
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
  // Factor and shift of the channels that padding added stay 0, and so does their output.
  for (std::vector<float>* values : {&mean_, &factor_, &shift_, &direct_, &slope_, &constant_})
    values->resize(channels);
  variance_.resize(channels);
  partial_.resize(channels * static_cast<size_t>(shards_.batch()));
  partial2_.resize(partial_.size());
}

const float* BatchNorm::lanes(const std::vector<float>& per_channel, int row, float* buffer) const {
  const float* first = per_channel.data() + rows_.channel(row);
  if (rows_.block == kLanes) return first;
  for (int l = 0; l < kLanes; ++l) buffer[l] = first[l % rows_.block];
  return buffer;
}

void BatchNorm::add_statistics(const View& x, const graph::Range& range, int first_channel) {
  const auto space = static_cast<double>(rows_.space);
  for (int i = 0; i < range.count; ++i) {
    const float* image = x.data + static_cast<size_t>(i) * x.stride;
    const size_t first = static_cast<size_t>(range.first + i) * static_cast<size_t>(rows_.channels);
    for (int row = first_channel / rows_.block; row < rows_.count(); ++row) {
      const float* values = image + rows_.offset(row);
      double* sums = partial_.data() + first + rows_.channel(row);
      double* squares = partial2_.data() + first + rows_.channel(row);
      float acc[kLanes] = {}, mean[kLanes];
      row_sum(values, rows_.length(), acc);
      spread_lanes(acc, rows_, sums);
      for (int l = 0; l < kLanes; ++l) mean[l] = static_cast<float>(sums[l % rows_.block] / space);
      std::fill(acc, acc + kLanes, 0.0f);
      row_squares(values, rows_.length(), mean, acc);
      spread_lanes(acc, rows_, squares);
      // Corrects for the rounding of the mean to float.
      for (int l = 0; l < rows_.block; ++l) {
        const double rounding = sums[l] / space - mean[l];
        squares[l] -= space * rounding * rounding;
      }
    }
  }
}

BatchNorm::Moments BatchNorm::moments(int first) const {
  const auto space = static_cast<double>(rows_.space);
  const auto channels = static_cast<size_t>(rows_.channels);
  Moments m{sum_over_images(partial_, shards_, rows_.channels, first),
            sum_over_images(partial2_, shards_, rows_.channels, first)};
  const double each = space * shards_.images;
  // The squares are about each image's own mean: add those of the images' means about the shard's.
  for (int b = 0; b < shards_.batch(); ++b) {
    const double* row = partial_.data() + static_cast<size_t>(b) * channels;
    const size_t shard = static_cast<size_t>(b / shards_.images) * channels;
    for (size_t c = static_cast<size_t>(first); c < channels; ++c) {
      const double distance = row[c] / space - m.sums[shard + c] / each;
      m.squares[shard + c] += space * distance * distance;
    }
  }
  merge(shards_.count, each, first, &m);
  if (ranks_ == nullptr) return m;
  Moments all{of_ranks(m.sums), of_ranks(m.squares)};
  merge(rank_count(), each * shards_.count, first, &all);
  return all;
}

std::vector<double> BatchNorm::of_ranks(const std::vector<double>& sums) const {
  const auto channels = static_cast<size_t>(rows_.channels);
  std::vector<double> all(channels * static_cast<size_t>(rank_count()));
  ranks_->group->gather(sums.data(), all.data(), channels * sizeof(double));
  return all;
}

void BatchNorm::merge(int count, double each, int first, Moments* moments) const {
  const auto channels = static_cast<size_t>(rows_.channels);
  std::vector<double> counts(static_cast<size_t>(count), each);
  Moments& m = *moments;
  // Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.
  for_sum_tree(count, [&](int to, int from) {
    double& merged = counts[static_cast<size_t>(to)];
    const double more = counts[static_cast<size_t>(from)];
    for (size_t c = static_cast<size_t>(first); c < channels; ++c) {
      const size_t a = static_cast<size_t>(to) * channels + c, b = static_cast<size_t>(from) * channels + c;
      const double distance = m.sums[b] / more - m.sums[a] / merged;
      m.squares[a] += m.squares[b] + distance * distance * (merged * more / (merged + more));
      m.sums[a] += m.sums[b];
    }
    merged += more;
  });
}

void BatchNorm::finish(int64_t steps, const BatchNorm* before, int first_channel) {
  const host::BatchNormRules& rules = host::traits().batchnorm;
  const double count = values();
  const int first = before != nullptr ? first_channel / rows_.block * rows_.block : 0;
  const Moments m = moments(first);
  for (int c = 0; c < real_channels_; ++c) {
    const auto i = static_cast<size_t>(c);
    if (c < first) {
      mean_[i] = before->mean_[i];
      variance_[i] = before->variance_[i];
    } else {
      mean_[i] = static_cast<float>(m.sums[i] / count);
      variance_[i] = static_cast<float>(m.squares[i] / (count - 1));
    }
    factor_[i] = static_cast<float>(math::batchnorm_factor(rules, scale_.value[i], variance_[i]));
    shift_[i] = bias_.value[i];
  }
  if (ranks_ == nullptr || ranks_->rolls) roll(batch_statistics().data(), steps);
}

std::vector<float> BatchNorm::batch_statistics() const {
  std::vector<float> statistics(mean_.begin(), mean_.begin() + real_channels_);
  statistics.insert(statistics.end(), variance_.begin(), variance_.begin() + real_channels_);
  return statistics;
}

void BatchNorm::roll(const float* statistics, int64_t steps) {
  const double rate = math::batchnorm_rate(rolling_rate_, steps);
  for (int c = 0; c < real_channels_; ++c) {
    rolling_mean_[c] = math::batchnorm_rolled(rolling_mean_[c], rate, statistics[c]);
    rolling_variance_[c] = math::batchnorm_rolled(rolling_variance_[c], rate, statistics[real_channels_ + c]);
  }
}

void BatchNorm::apply(const View& x, int count, math::Activation activation, float* y) const {
  for (int i = 0; i < count; ++i) {
    const float* image = x.data + static_cast<size_t>(i) * x.stride;
    float* out = y + static_cast<size_t>(i) * rows_.size();
    for (int row = 0; row < rows_.count(); ++row) {
      float mean[kLanes], factor[kLanes], shift[kLanes];
      row_affine(image + rows_.offset(row), rows_.length(), lanes(mean_, row, mean), lanes(factor_, row, factor),
                 lanes(shift_, row, shift), activation, out + rows_.offset(row));
    }
  }
}

void BatchNorm::gradient_sums(const View& x, const graph::Range& range, math::Activation activation, float* delta,
                              size_t delta_stride, Workspace* workspace) {
  const bool fused = row_sums_with_activation(activation);
  const bool reads_input = math::gradient_reads_input(activation);
  for (int i = 0; i < range.count; ++i) {
    const float* image = x.data + static_cast<size_t>(i) * x.stride;
    float* gradient = delta + static_cast<size_t>(i) * delta_stride;
    const size_t first = static_cast<size_t>(range.first + i) * static_cast<size_t>(rows_.channels);
    for (int row = 0; row < rows_.count(); ++row) {
      float sum[kLanes] = {}, product[kLanes] = {}, mean[kLanes], factor[kLanes], shift[kLanes];
      const float* values = image + rows_.offset(row);
      float* to = gradient + rows_.offset(row);
      const size_t length = rows_.length();
      const float *m = lanes(mean_, row, mean), *f = lanes(factor_, row, factor), *s = lanes(shift_, row, shift);
      if (fused) {
        row_activation_gradient_sums(to, values, length, m, f, s, activation, sum, product);
      } else {
        const WorkspaceFrame frame(workspace);
        float* y = workspace->take(length);
        row_affine(values, length, m, f, s, reads_input ? math::Activation::kLinear : activation, y);
        row_activation_gradient(y, length, activation, to);
        row_gradient_sums(to, values, length, m, sum, product);
      }
      spread_lanes(sum, rows_, partial_.data() + first + rows_.channel(row));
      spread_lanes(product, rows_, partial2_.data() + first + rows_.channel(row));
    }
  }
}

void BatchNorm::finish_gradient() {
  const host::BatchNormRules& rules = host::traits().batchnorm;
  const double count = values();
  std::vector<double> sums = sum_over_images(partial_, shards_, rows_.channels, 0);
  std::vector<double> products = sum_over_images(partial2_, shards_, rows_.channels, 0);
  add_shards(shards_.count, variance_.size(), sums.data());
  add_shards(shards_.count, variance_.size(), products.data());
  if (ranks_ != nullptr) {
    sums = of_ranks(sums);
    products = of_ranks(products);
    add_shards(rank_count(), variance_.size(), sums.data());
    add_shards(rank_count(), variance_.size(), products.data());
  }
  // All ranks that share the batch have the same gradients of bias and scale: one of them hands these over.
  const bool adds = ranks_ == nullptr || ranks_->group->rank() == 0;
  for (int c = 0; c < real_channels_; ++c) {
    const auto i = static_cast<size_t>(c);
    const math::BatchNormGradient g =
        math::batchnorm_gradient(rules, scale_.value[i], variance_[i], sums[i], products[i], count);
    if (adds) {
      bias_.update[i] += g.bias;
      scale_.update[i] += g.scale;
    }
    direct_[i] = g.direct;
    slope_[i] = g.slope;
    constant_[i] = g.constant;
  }
}

void BatchNorm::gradient(const View& x, const View& delta, int count, const Node::Place& dx) const {
  const auto run = dx.add ? row_add_normalised_gradient : row_normalise_gradient;
  for (int i = 0; i < count; ++i) {
    const float* image = x.data + static_cast<size_t>(i) * x.stride;
    const float* gradient = delta.data + static_cast<size_t>(i) * delta.stride;
    float* out = dx.data + static_cast<size_t>(i) * dx.stride;
    for (int row = 0; row < rows_.count(); ++row) {
      float mean[kLanes], direct[kLanes], slope[kLanes], constant[kLanes];
      run(gradient + rows_.offset(row), image + rows_.offset(row), rows_.length(), lanes(mean_, row, mean),
          lanes(direct_, row, direct), lanes(slope_, row, slope), lanes(constant_, row, constant),
          out + rows_.offset(row));
    }
  }
}

void BatchNorm::fold(std::vector<float>* factor, std::vector<float>* shift) const {
  factor->assign(static_cast<size_t>(rows_.channels), 0.0f);
  shift->assign(static_cast<size_t>(rows_.channels), 0.0f);
  for (int c = 0; c < real_channels_; ++c) {
    const auto i = static_cast<size_t>(c);
    const double f = math::batchnorm_factor(host::traits().batchnorm, scale_.value[i], rolling_variance_[i]);
    (*factor)[i] = static_cast<float>(f);
    (*shift)[i] = static_cast<float>(bias_.value[i] - rolling_mean_[i] * f);
  }
}

}  // namespace dng::cpu
