#include "layers/batchnorm_layer.h"

#include <cmath>

#include "engine/kernel.h"
#include "layers/layer_options.h"

namespace dng {
namespace {

class BatchnormKernel final : public Kernel {
 public:
  explicit BatchnormKernel(const LayerConfig& layer)
      : channels_(layer.out.channels), space_(static_cast<size_t>(layer.out.height) * layer.out.width) {}

  void prepare(Node* node) override {
    for (const host::Block& block : node->host->blocks(node->index)) {
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
    mean_.resize(static_cast<size_t>(channels_));
    variance_.resize(static_cast<size_t>(channels_));
  }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    if (pass.training) measure(node, input, pass.steps);
    const host::BatchNormRules& rules = host::traits().batchnorm;
    for (int c = 0; c < channels_; ++c) {
      const float mean = pass.training ? mean_[c] : rolling_mean_[c];
      const float variance = pass.training ? variance_[c] : rolling_variance_[c];
      const float divisor = rules.epsilon_inside ? std::sqrt(variance + rules.forward_epsilon)
                                                 : std::sqrt(variance) + rules.forward_epsilon;
      const float scale = scale_.value[c], bias = bias_.value[c];
      each(node, c, [&](size_t i) { node.output[i] = (input[i] - mean) / divisor * scale + bias; });
    }
  }

  void backward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    float* input_delta = node.input_delta();
    const host::BatchNormRules& rules = host::traits().batchnorm;
    const double count = static_cast<double>(space_) * node.batch;
    for (int c = 0; c < channels_; ++c) {
      const double mean = mean_[c], scale = scale_.value[c];
      const double divisor = rules.epsilon_inside
                                 ? std::sqrt(static_cast<double>(variance_[c]) + rules.forward_epsilon)
                                 : std::sqrt(static_cast<double>(variance_[c])) + rules.forward_epsilon;
      const double inverse = 1.0 / std::sqrt(static_cast<double>(variance_[c]) + rules.backward_epsilon);
      const double direct = rules.direct_outside
                                ? 1.0 / (std::sqrt(static_cast<double>(variance_[c])) + rules.backward_epsilon)
                                : inverse;
      double sum = 0, product = 0;
      each(node, c, [&](size_t i) {
        sum += node.delta[i];
        product += node.delta[i] * (input[i] - mean);
      });
      bias_.update[c] += static_cast<float>(sum);
      scale_.update[c] += static_cast<float>(product / divisor);
      if (input_delta == nullptr) continue;
      const double from_mean = -scale * sum * inverse / count;
      const double from_variance = -scale * product * inverse * inverse * inverse / count;
      each(node, c, [&](size_t i) {
        input_delta[i] +=
            static_cast<float>(node.delta[i] * scale * direct + from_variance * (input[i] - mean) + from_mean);
      });
    }
  }

 private:
  void measure(const Node& node, const float* input, int64_t steps) {
    const double count = static_cast<double>(space_) * node.batch;
    const double rate =
        std::max(static_cast<double>(host::traits().batchnorm.rolling_rate), 1.0 / static_cast<double>(steps + 1));
    for (int c = 0; c < channels_; ++c) {
      double sum = 0;
      each(node, c, [&](size_t i) { sum += input[i]; });
      const double mean = sum / count;
      double squares = 0;
      each(node, c, [&](size_t i) { squares += (input[i] - mean) * (input[i] - mean); });
      mean_[c] = static_cast<float>(mean);
      variance_[c] = static_cast<float>(squares / (count - 1));
      rolling_mean_[c] = static_cast<float>((1 - rate) * rolling_mean_[c] + rate * mean_[c]);
      rolling_variance_[c] = static_cast<float>((1 - rate) * rolling_variance_[c] + rate * variance_[c]);
    }
  }

  // Visits the index of every value of a channel.
  template <class Visit>
  void each(const Node& node, int channel, Visit visit) const {
    for (int b = 0; b < node.batch; ++b) {
      const size_t first = (static_cast<size_t>(b) * channels_ + channel) * space_;
      for (size_t i = first; i < first + space_; ++i) visit(i);
    }
  }

  int channels_;
  size_t space_;
  host::Block bias_, scale_;
  float* rolling_mean_ = nullptr;
  float* rolling_variance_ = nullptr;
  std::vector<float> mean_, variance_;
};

}  // namespace

Op batchnorm_op() {
  Op op("batchnorm", Op::Kind::kLayer, "batch norm on its own");
  op.checked(require_room_for_batchnorm).kernel(Device::kCpu, [](const LayerConfig& layer) {
    return std::make_unique<BatchnormKernel>(layer);
  });
  add_common_options(&op);
  return op;
}

}  // namespace dng
