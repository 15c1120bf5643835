// clang-format off
// Batch norm on the GPU for [batchnorm] and for the batch norm inside [convolutional] and [connected]; formulas in
// math/batchnorm_formulas.h. Activation, and the addition of a shortcut, are fused with it:
//   training   compute_statistics  mean and variance of x
//              apply               y = f((x - mean) * factor + bias [+ addend])
//   backward   gradient_sums       d = f' * delta, its sums, and d for the addend
//              gradient            dx from d and x
// The variance is summed about the first value of each channel (or the rolling mean, where a convolution sums what it
// writes), which costs no second pass. Digits are lost where that value is many deviations from the batch's mean.
// clang-format on
#pragma once

#include "gpu/batch_statistics.h"
#include "gpu/elementwise.h"

namespace dng::DNG_GPU {

// Per channel, in this order in Node::constants.
struct NormConstants {
  float *mean, *variance, *factor;   // of the batch
  float *direct, *slope, *constant;  // of the gradient
  float* inference_factor;           // from the rolling statistics
  static constexpr size_t kCount = 7;
  NormConstants(float* memory, int channels) {
    float** all[kCount] = {&mean, &variance, &factor, &direct, &slope, &constant, &inference_factor};
    for (size_t i = 0; i < kCount; ++i) *all[i] = memory + i * static_cast<size_t>(channels);
  }
};

template <class T, int V>
struct StatisticsBody {
  const T* x;
  int channels;
  gpu::BatchStatistics into;

  static constexpr uint32_t kAhead = kRowsAhead;
  struct Column {
    float pivot[V];
  };
  DNG_DEVICE Column column(int channel) const {
    Column c;
    gpu::load<T, V>(x + channel, c.pivot);
    return c;
  }
  using Row = gpu::Pack<T, V>;
  DNG_DEVICE Row read(uint32_t row, int channel) const {
    return gpu::pack<V>(x + static_cast<size_t>(row) * static_cast<size_t>(channels) + channel);
  }
  DNG_DEVICE void add(const Row& row, uint32_t, int, const Column& c, float* a, float* b) const {
    for (int v = 0; v < V; ++v) {
      const float distance = gpu::to_float(row.values[v]) - c.pivot[v];
      a[v] += distance;
      b[v] += distance * distance;
    }
  }
  DNG_DEVICE void finish(int channel, double a, double b) const {
    into.finish(channel, static_cast<double>(gpu::to_float(x[channel])), a, b);
  }
};

// (x - mean) * factor + bias, for V channels.
template <int V>
struct AffineColumn {
  float mean[V], factor[V], bias[V];
  DNG_DEVICE void read(const float* means, const float* factors, const float* biases, uint32_t channel) {
    for (uint32_t v = 0; v < V; ++v) {
      mean[v] = means[channel + v];
      factor[v] = factors[channel + v];
      bias[v] = biases[channel + v];
    }
  }
};

// y = f((x - mean) * factor + bias [+ addend]); y may be x or the addend.
template <class T, int V>
struct ApplyBody {
  const T* x;
  const T* addend;
  T* y;
  const float *mean, *factor, *bias;
  math::Activation activation;

  using Column = AffineColumn<V>;
  DNG_DEVICE Column column(uint32_t group) const {
    Column c;
    c.read(mean, factor, bias, group * V);
    return c;
  }
  DNG_DEVICE void operator()(uint32_t i, uint32_t, const Column& c) const {
    const size_t at = static_cast<size_t>(i) * V;
    float values[V], sum[V] = {};
    gpu::load<T, V>(x + at, values);
    if (addend != nullptr) gpu::load<T, V>(addend + at, sum);
    for (int v = 0; v < V; ++v) {
      values[v] = (values[v] - c.mean[v]) * c.factor[v] + c.bias[v];
      if (addend != nullptr) values[v] += sum[v];
    }
    activate_all<V>(values, activation);
    gpu::store<T, V>(values, y + at);
  }
};

// How d = f' * delta is computed.
enum class Slope {
  kGiven,       // delta is d already
  kFromInput,   // f' from x
  kFromOutput,  // f' from y; not where math::gradient_reads_input()
};

template <class T, int V>
struct GradientSumsBody {
  gpu::GradientStatistics into;
  const T* y;  // kFromOutput
  T* delta;
  bool keep;  // writes d where delta was
  T* addend;  // the addend's delta; null: not needed
  bool addend_adds;
  Slope slope_from;
  int channels;

  static constexpr uint32_t kAhead = kRowsAhead;
  using Column = AffineColumn<V>;
  DNG_DEVICE Column column(int channel) const {
    Column c;
    c.read(into.mean, into.factor, into.bias, static_cast<uint32_t>(channel));
    return c;
  }
  struct Row {
    gpu::Pack<T, V> x, delta, y, addend;
  };
  DNG_DEVICE size_t place(uint32_t row, int channel) const {
    return static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(channel);
  }
  DNG_DEVICE Row read(uint32_t row, int channel) const {
    const size_t at = place(row, channel);
    Row r;
    r.x = gpu::pack<V>(static_cast<const T*>(into.x) + at);
    r.delta = gpu::pack<V>(delta + at);
    if (slope_from == Slope::kFromOutput) r.y = gpu::pack<V>(y + at);
    if (addend_adds) r.addend = gpu::pack<V>(addend + at);
    return r;
  }
  DNG_DEVICE void add(const Row& row, uint32_t number, int channel, const Column& c, float* a, float* b) const {
    float centred[V], d[V], output[V];
    for (int v = 0; v < V; ++v) {
      centred[v] = gpu::to_float(row.x.values[v]) - c.mean[v];
      d[v] = gpu::to_float(row.delta.values[v]);
    }
    if (slope_from == Slope::kFromOutput) {
      for (int v = 0; v < V; ++v) output[v] = gpu::to_float(row.y.values[v]);
      slope_all<V>(output, into.activation, d);
    } else if (slope_from == Slope::kFromInput) {
      for (int v = 0; v < V; ++v) output[v] = centred[v] * c.factor[v] + c.bias[v];
      slope_at_all<V>(output, into.activation, d);
    }
    for (int v = 0; v < V; ++v) {
      a[v] += d[v];
      b[v] += d[v] * centred[v];
    }
    const size_t at = place(number, channel);
    if (keep) gpu::store<T, V>(d, delta + at);
    if (addend == nullptr) return;
    if (addend_adds) {
      for (int v = 0; v < V; ++v) d[v] += gpu::to_float(row.addend.values[v]);
    }
    gpu::store<T, V>(d, addend + at);
  }
  DNG_DEVICE void finish(int channel, double a, double b) const { into.finish(channel, a, b); }
};

// dx = d * direct + (x - mean) * slope + constant; dx may be delta.
template <class T, int V>
struct GradientBody {
  const T* x;
  const T* delta;
  T* dx;
  bool adds;  // to dx
  Slope slope_from;
  math::Activation activation;
  NormConstants constants;
  const float* bias;

  struct Column : AffineColumn<V> {
    float direct[V], slope[V], constant[V];
  };
  DNG_DEVICE Column column(uint32_t group) const {
    Column c;
    c.read(constants.mean, constants.factor, bias, group * V);
    for (uint32_t v = 0; v < V; ++v) {
      c.direct[v] = constants.direct[group * V + v];
      c.slope[v] = constants.slope[group * V + v];
      c.constant[v] = constants.constant[group * V + v];
    }
    return c;
  }
  DNG_DEVICE void operator()(uint32_t i, uint32_t, const Column& c) const {
    const size_t at = static_cast<size_t>(i) * V;
    float values[V], d[V], before[V] = {}, output[V];
    gpu::load<T, V>(x + at, values);
    gpu::load<T, V>(delta + at, d);
    if (adds) gpu::load<T, V>(dx + at, before);
    for (int v = 0; v < V; ++v) values[v] -= c.mean[v];
    if (slope_from == Slope::kFromInput) {
      for (int v = 0; v < V; ++v) output[v] = values[v] * c.factor[v] + c.bias[v];
      slope_at_all<V>(output, activation, d);
    }
    for (int v = 0; v < V; ++v) {
      d[v] = d[v] * c.direct[v] + values[v] * c.slope[v] + c.constant[v];
      if (adds) d[v] += before[v];
    }
    gpu::store<T, V>(d, dx + at);
  }
};

struct FoldBody {
  const float *scale, *rolling_variance;
  float* factor;
  host::BatchNormRules rules;
  DNG_DEVICE void operator()(uint32_t c) const {
    factor[c] = static_cast<float>(
        math::batchnorm_factor(rules, static_cast<double>(scale[c]), static_cast<double>(rolling_variance[c])));
  }
};

// A convolution's weights and bias with batch norm in them, for evaluation.
template <class T>
struct FoldWeightsBody {
  const float *weights, *factor;
  T* folded;
  uint32_t filter, channels;  // adjacent weights of a filter; filters
  DNG_DEVICE void operator()(uint32_t i) const {
    folded[i] = gpu::from_float<T>(weights[i] * factor[i / filter % channels]);
  }
};

template <class T>
struct FoldBiasBody {
  const float *bias, *rolling_mean, *factor;
  T* folded;
  DNG_DEVICE void operator()(uint32_t c) const {
    folded[c] = gpu::from_float<T>(static_cast<float>(
        static_cast<double>(bias[c]) - static_cast<double>(rolling_mean[c]) * static_cast<double>(factor[c])));
  }
};

// The batch norm of one node. `x` is what is normalised; all tensors have the node's output shape and type.
class BatchNorm {
 public:
  BatchNorm() = default;
  BatchNorm(const gpu::Node& node, float rolling_rate)
      : rules_(host::traits().batchnorm), rolling_rate_(rolling_rate), channels_(node.out().channels) {}

  // Floats of Node::constants.
  static size_t constants(const gpu::Node& node) {
    return NormConstants::kCount * static_cast<size_t>(node.out().channels);
  }

  gpu::BatchStatistics statistics(const gpu::Node& node, const gpu::Pass& pass) const {
    const NormConstants c(node.constants, channels_);
    return {c.mean,          c.variance,
            c.factor,        node.scale.value,
            node.mean.value, node.variance.value,
            pass.step,       rules_,
            rolling_rate_,   static_cast<double>(node.rows()),
            node.sums};
  }
  void compute_statistics(const gpu::Node& node, const gpu::Pass& pass, const void* x) const {
    sum_channels<StatisticsBody>(node, channels_, x, channels_, statistics(node, pass));
  }

  void apply(const gpu::Node& node, const void* x, const void* addend, math::Activation activation) const {
    const NormConstants c(node.constants, channels_);
    affine(node, x, addend, activation, c.mean, c.factor);
  }

  // What gradient_sums needs, where there is no addend.
  gpu::GradientStatistics gradient_statistics(const gpu::Node& node, const void* x, math::Activation activation) const {
    const NormConstants c(node.constants, channels_);
    return {x,
            c.mean,
            c.factor,
            node.bias.value,
            activation,
            node.scale.value,
            c.variance,
            node.scale.gradient,
            node.bias.gradient,
            c.direct,
            c.slope,
            c.constant,
            rules_,
            static_cast<double>(node.rows()),
            node.sums};
  }
  // delta becomes d where nothing else saves it. Not where the sums have been computed already.
  void gradient_sums(const gpu::Node& node, const void* x, math::Activation activation, bool has_addend,
                     void* addend_delta, bool addend_adds) const {
    const Slope from = slope_of_sums(activation, has_addend);
    const void* y = node.output;
    sum_channels<GradientSumsBody>(node, channels_, gradient_statistics(node, x, activation), y, node.delta,
                                   from == Slope::kFromOutput, addend_delta, addend_adds, from, channels_);
  }

  // After the sums, with the same activation and addend.
  void gradient(const gpu::Node& node, const void* x, math::Activation activation, bool has_addend, void* dx,
                bool adds) const {
    const Slope sums = slope_of_sums(activation, has_addend);
    const Slope from = sums == Slope::kFromOutput ? Slope::kGiven : sums;
    const void* delta = node.delta;
    each_vector_in_column<GradientBody>(node, x, delta, dx, adds, from, activation,
                                        NormConstants(node.constants, channels_), node.bias.value);
  }

  // Evaluation: fold wherever the statistics may have changed, then infer.
  void fold(const gpu::Node& node) const {
    const NormConstants c(node.constants, channels_);
    each(*node.gpu, static_cast<size_t>(channels_),
         FoldBody{node.scale.value, node.variance.value, c.inference_factor, rules_});
  }
  // After fold: the weights times the factor, and the bias that goes with them, in the type of the activations.
  // `filter`: adjacent weights of a filter.
  void fold_into(const gpu::Node& node, int filter, void* weights, void* bias) const {
    const NormConstants c(node.constants, channels_);
    const auto count = static_cast<size_t>(node.weights.count), channels = static_cast<size_t>(channels_);
    each_element<FoldWeightsBody>(node, count, node.weights.value, c.inference_factor, weights,
                                  static_cast<uint32_t>(filter), static_cast<uint32_t>(channels));
    each_element<FoldBiasBody>(node, channels, node.bias.value, node.mean.value, c.inference_factor, bias);
  }
  void infer(const gpu::Node& node, const void* x, const void* addend, math::Activation activation) const {
    const NormConstants c(node.constants, channels_);
    affine(node, x, addend, activation, node.mean.value, c.inference_factor);
  }

 private:
  static Slope slope_of_sums(math::Activation activation, bool has_addend) {
    return activation == math::Activation::kLinear ? Slope::kGiven
           : has_addend                            ? Slope::kFromOutput
                                                   : Slope::kFromInput;
  }
  void affine(const gpu::Node& node, const void* x, const void* addend, math::Activation activation, const float* mean,
              const float* factor) const {
    each_vector_in_column<ApplyBody>(node, x, addend, node.output, mean, factor, node.bias.value, activation);
  }

  host::BatchNormRules rules_;
  float rolling_rate_ = 0;
  int channels_ = 0;
};

}  // namespace dng::DNG_GPU
