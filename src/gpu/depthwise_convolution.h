// Depthwise convolutions: every channel has a filter of its own. There is nothing to multiply on the tensor cores; what
// counts is to read every tensor once and to write with bias and activation, or with batch norm's sums. A thread has V
// channels of a pixel.
#pragma once

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "gpu/batchnorm.h"
#include "gpu/columns.h"
#include "gpu/divider.h"
#include "gpu/elementwise.h"
#include "gpu/shared_workspace.h"

namespace dng::DNG_GPU {

// Pixels of a tensor [batch][height][width].
struct Pixels {
  int width, height;
  gpu::Divider by_width, by_height;

  explicit Pixels(const data::Geometry& shape)
      : width(shape.width), height(shape.height), by_width(shape.width), by_height(shape.height) {}
  struct Place {
    int image, y, x;
  };
  DNG_DEVICE Place place(uint32_t pixel) const {
    const int row = by_width.quotient(static_cast<int>(pixel)), image = by_height.quotient(row);
    return {image, row - image * height, static_cast<int>(pixel) - row * width};
  }
  DNG_DEVICE size_t pixel(const Place& p) const {
    return (static_cast<size_t>(p.image) * static_cast<size_t>(height) + static_cast<size_t>(p.y)) *
               static_cast<size_t>(width) +
           static_cast<size_t>(p.x);
  }
};

// The sum over a filter: y from x, or, where kGradient, dx from dy.
template <class T, int V, bool kGradient>
struct DepthwiseSum {
  Pixels written, read;
  gpu::Divider by_stride_y, by_stride_x;
  int channels, size_y, size_x, stride_y, stride_x, dilation, padding;
  const T *from, *weights;

  DepthwiseSum(const gpu::ConvolutionShape& s, const void* tensor, const void* filters)
      : written(kGradient ? s.in : s.out),
        read(kGradient ? s.out : s.in),
        by_stride_y(s.stride_y),
        by_stride_x(s.stride_x),
        channels(s.in.channels),
        size_y(s.size_y),
        size_x(s.size_x),
        stride_y(s.stride_y),
        stride_x(s.stride_x),
        dilation(s.dilation),
        padding(s.padding),
        from(static_cast<const T*>(tensor)),
        weights(static_cast<const T*>(filters)) {}

  DNG_DEVICE size_t at(size_t pixel, int channel) const {
    return pixel * static_cast<size_t>(channels) + static_cast<size_t>(channel);
  }
  DNG_DEVICE void add(uint32_t pixel, int channel, float* sums) const {
    const Pixels::Place to = written.place(pixel);
    for (int r = 0; r < size_y; ++r) {
      const int y = under_tap(to.y, r * dilation, stride_y, by_stride_y, read.height);
      if (y < 0) continue;
      for (int q = 0; q < size_x; ++q) {
        const int x = under_tap(to.x, q * dilation, stride_x, by_stride_x, read.width);
        if (x < 0) continue;
        float values[V], factors[V];
        gpu::load<T, V>(from + at(read.pixel({to.image, y, x}), channel), values);
        gpu::load<T, V>(weights + at(static_cast<size_t>(r * size_x + q), channel), factors);
        for (int v = 0; v < V; ++v) sums[v] += values[v] * factors[v];
      }
    }
  }

 private:
  // The row or column, of `count`, that a tap reads for what is written at `to`; below zero: none.
  DNG_DEVICE int under_tap(int to, int tap, int stride, const gpu::Divider& by_stride, int count) const {
    if (!kGradient) {
      const int place = to * stride - padding + tap;
      return place < count ? place : -1;
    }
    const int distance = to + padding - tap;
    if (distance < 0) return -1;
    const int place = by_stride.quotient(distance);
    return place * stride == distance && place < count ? place : -1;
  }
};

// to = f(sum + bias + addend), each null where it is not added; addend may be `to`.
template <class T, int V, bool kGradient>
struct DepthwiseBody {
  DepthwiseSum<T, V, kGradient> sum;
  T* to;
  const T *bias, *addend;
  math::Activation activation;
  uint32_t groups;  // channels / V
  DNG_DEVICE void operator()(uint32_t i) const {
    const int channel = static_cast<int>(i % groups) * V;
    float sums[V] = {}, other[V];
    sum.add(i / groups, channel, sums);
    for (const T* added : {bias == nullptr ? nullptr : bias + channel,
                           addend == nullptr ? nullptr : addend + static_cast<size_t>(i) * V}) {
      if (added == nullptr) continue;
      gpu::load<T, V>(added, other);
      for (int v = 0; v < V; ++v) sums[v] += other[v];
    }
    activate_all<V>(sums, activation);
    gpu::store<T, V>(sums, to + static_cast<size_t>(i) * V);
  }
};

// y, and the sums of its mean and variance about the rolling mean.
template <class T, int V>
struct DepthwiseStatisticsBody {
  DepthwiseSum<T, V, false> sum;
  T* y;
  gpu::BatchStatistics into;

  static constexpr uint32_t kAhead = 2;  // each reads a whole filter
  struct Column {
    float pivot[V];
  };
  DNG_DEVICE Column column(int channel) const {
    Column c;
    for (int v = 0; v < V; ++v) c.pivot[v] = into.rolling_mean[channel + v];
    return c;
  }
  using Row = gpu::Pack<T, V>;
  DNG_DEVICE Row read(uint32_t pixel, int channel) const {
    float sums[V] = {};
    sum.add(pixel, channel, sums);
    Row row;
    gpu::store<T, V>(sums, row.values);
    return row;
  }
  DNG_DEVICE void add(const Row& row, uint32_t pixel, int channel, const Column& c, float* a, float* b) const {
    for (int v = 0; v < V; ++v) {
      const float distance = gpu::to_float(row.values[v]) - c.pivot[v];
      a[v] += distance;
      b[v] += distance * distance;
    }
    *reinterpret_cast<Row*>(y + sum.at(pixel, channel)) = row;
  }
  DNG_DEVICE void finish(int channel, double a, double b) const {
    into.finish(channel, static_cast<double>(into.rolling_mean[channel]), a, b);
  }
};

// dx, and the sums of batch norm's gradient from it.
template <class T, int V>
struct DepthwiseGradientStatisticsBody {
  DepthwiseSum<T, V, true> sum;
  GradientSumsBody<T, V> sums;  // its delta: dx

  static constexpr uint32_t kAhead = 1;
  using Column = typename GradientSumsBody<T, V>::Column;
  DNG_DEVICE Column column(int channel) const { return sums.column(channel); }
  using Row = typename GradientSumsBody<T, V>::Row;
  DNG_DEVICE Row read(uint32_t pixel, int channel) const {
    Row row{};
    row.x = gpu::pack<V>(static_cast<const T*>(sums.into.x) + sum.at(pixel, channel));
    float dx[V] = {};
    sum.add(pixel, channel, dx);
    gpu::store<T, V>(dx, row.delta.values);
    return row;
  }
  DNG_DEVICE void add(const Row& row, uint32_t pixel, int channel, const Column& c, float* a, float* b) const {
    *reinterpret_cast<gpu::Pack<T, V>*>(sums.delta + sum.at(pixel, channel)) = row.delta;
    sums.add(row, pixel, channel, c, a, b);
  }
  DNG_DEVICE void finish(int channel, double a, double b) const { sums.finish(channel, a, b); }
};

// How the gradient of the weights is divided among blocks: each has some channels, some columns of one row of the
// filter, and a share of the pixels written.
struct DepthwiseWeightsPlan {
  static constexpr int kTaps = 3;        // columns of the filter
  static constexpr int kMaxColumns = 8;  // threads side by side, each with V channels
  Pixels written;
  data::Geometry in;
  int pixels, size_y, size_x, stride_y, stride_x, dilation, padding;
  int columns = 1, slices, parts, shares;

  DepthwiseWeightsPlan(const gpu::ConvolutionShape& s, int vector, int processors)
      : written(s.out),
        in(s.in),
        pixels(s.batch * s.out.height * s.out.width),
        size_y(s.size_y),
        size_x(s.size_x),
        stride_y(s.stride_y),
        stride_x(s.stride_x),
        dilation(s.dilation),
        padding(s.padding),
        parts((s.size_x + kTaps - 1) / kTaps) {
    while (columns < kMaxColumns && columns * vector < in.channels) columns *= 2;
    slices = (in.channels + columns * vector - 1) / (columns * vector);
    constexpr int kBlocksOfProcessor = 2, kMaxShares = 512;
    const int useful = (pixels + kThreads / columns - 1) / (kThreads / columns);
    const int filling = kBlocksOfProcessor * processors / (slices * parts * size_y);
    shares = std::max(1, std::min({useful, filling, kMaxShares}));
  }
  DNG_HOST_DEVICE int weights() const { return size_y * size_x * in.channels; }
  size_t partial_bytes() const { return static_cast<size_t>(shares) * static_cast<size_t>(weights()) * sizeof(float); }
};

template <class T, int V>
struct DepthwiseWeightsBody {
  DepthwiseWeightsPlan p;
  const T *x, *dy;
  float* partial;  // [shares][weights]

  static constexpr int kTaps = DepthwiseWeightsPlan::kTaps;
  struct Shared {
    float sums[kTaps * V][kThreads];
  };

  DNG_DEVICE void operator()(const Block& block, Shared& shared) const {
    const int slice = block.x() % p.slices, part = block.x() / p.slices % p.parts * kTaps;
    const int row = block.x() / p.slices / p.parts, sharers = kThreads / p.columns, first = slice * p.columns * V;
    block.each_thread([&](int thread) {
      const int channel = first + thread % p.columns * V;
      float sums[kTaps][V] = {};
      for (int pixel = block.y() * sharers + thread / p.columns; pixel < p.pixels && channel < p.in.channels;
           pixel += block.count_y() * sharers) {
        const Pixels::Place at = p.written.place(static_cast<uint32_t>(pixel));
        const int y = at.y * p.stride_y - p.padding + row * p.dilation;
        const int left = at.x * p.stride_x - p.padding + part * p.dilation;
        if (y < 0 || y >= p.in.height) continue;
        float d[V], values[V];
        gpu::load<T, V>(dy + place(static_cast<size_t>(pixel), channel), d);
        const size_t line = static_cast<size_t>(at.image * p.in.height + y) * static_cast<size_t>(p.in.width);
        DNG_UNROLL for (int t = 0; t < kTaps; ++t) {
          const int column = left + t * p.dilation;
          if (part + t >= p.size_x || column < 0 || column >= p.in.width) continue;
          gpu::load<T, V>(x + place(line + static_cast<size_t>(column), channel), values);
          for (int v = 0; v < V; ++v) sums[t][v] += d[v] * values[v];
        }
      }
      for (int t = 0; t < kTaps; ++t) {
        for (int v = 0; v < V; ++v) shared.sums[t * V + v][thread] = sums[t][v];
      }
    });
    block.barrier();
    block.each_thread([&](int thread) {
      const int width = p.columns * V;
      for (int i = thread; i < kTaps * width; i += kThreads) {
        const int tap = part + i / width, channel = first + i % width;
        if (tap >= p.size_x || channel >= p.in.channels) continue;
        const float* from = shared.sums[i / width * V + i % V] + i % width / V;
        float sum = 0;
        for (int sharer = 0; sharer < sharers; ++sharer) sum += from[sharer * p.columns];
        partial[static_cast<size_t>(block.y()) * static_cast<size_t>(p.weights()) +
                place(static_cast<size_t>(row * p.size_x + tap), channel)] = sum;
      }
    });
  }

 private:
  DNG_DEVICE size_t place(size_t pixel, int channel) const {
    return pixel * static_cast<size_t>(p.in.channels) + static_cast<size_t>(channel);
  }
};

// The sums of all shares.
template <class T>
struct DepthwiseWeightsSumBody {
  const float* partial;
  T* to;
  bool add;
  int weights, shares;
  template <class Lanes>
  DNG_DEVICE void operator()(int i, const Lanes& lanes) const {
    float sum = 0;
    for (int share = lanes.first(); share < shares; share += lanes.step()) {
      sum += partial[static_cast<size_t>(share) * static_cast<size_t>(weights) + static_cast<size_t>(i)];
    }
    sum = lanes.sum(sum);
    if (lanes.first() == 0) to[i] = gpu::from_float<T>(add ? gpu::to_float(to[i]) + sum : sum);
  }
};

class DepthwiseConvolution final : public gpu::Convolution {
 public:
  DepthwiseConvolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, bool trains, gpu::SharedWorkspace* workspace)
      : gpu_(gpu), shape_(shape), workspace_(workspace) {
    if (!trains) return;
    size_t bytes = 0;
    with_vectors([&](auto, auto vector) { bytes = weights_plan(decltype(vector)::value).partial_bytes(); });
    if (!workspace->reserve(bytes)) {
      fail(
          "out of memory for the workspace of a depthwise convolution; raise subdivisions=, or end what else uses the "
          "GPU");
    }
    workspace->keep(bytes);
  }

  void forward(const void* x, const void* weights, void* y) override {
    run<false>(x, weights, y, nullptr, nullptr, math::Activation::kLinear);
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend,
                     math::Activation activation, void* y) override {
    run<false>(x, weights, y, bias, addend, activation);
    return true;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    run<true>(dy, weights, dx, nullptr, add ? dx : nullptr, math::Activation::kLinear);
  }

  bool forward_with_statistics(const void* x, const void* weights, void* y,
                               const gpu::BatchStatistics& statistics) override {
    with_vectors([&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      sum_columns<V>(*gpu_, pixels(shape_.out), channels(), statistics.sums,
                     DepthwiseStatisticsBody<T, V>{{shape_, x, weights}, static_cast<T*>(y), statistics});
    });
    return true;
  }
  bool backward_data_with_statistics(const void* weights, const void* dy, void* dx,
                                     const gpu::GradientStatistics& statistics) override {
    const Slope slope = statistics.activation == math::Activation::kLinear ? Slope::kGiven : Slope::kFromInput;
    with_vectors([&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      const GradientSumsBody<T, V> sums{statistics, nullptr, static_cast<T*>(dx), false, nullptr,
                                        false,      slope,   channels()};
      sum_columns<V>(*gpu_, pixels(shape_.in), channels(), statistics.sums,
                     DepthwiseGradientStatisticsBody<T, V>{{shape_, dy, weights}, sums});
    });
    return true;
  }

  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    auto* partial = static_cast<float*>(workspace_->data());
    with_vectors([&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      const DepthwiseWeightsPlan plan = weights_plan(V);
      blocks(*gpu_, plan.slices * plan.parts * plan.size_y, plan.shares,
             DepthwiseWeightsBody<T, V>{plan, static_cast<const T*>(x), static_cast<const T*>(dy), partial});
      samples(*gpu_, plan.weights(),
              DepthwiseWeightsSumBody<T>{partial, static_cast<T*>(dweights), add, plan.weights(), plan.shares});
    });
  }

 private:
  template <bool kGradient>
  void run(const void* from, const void* weights, void* to, const void* bias, const void* addend,
           math::Activation activation) const {
    with_vectors([&](auto zero, auto vector) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      const auto groups = static_cast<uint32_t>(channels() / V);
      each(*gpu_, pixels(kGradient ? shape_.in : shape_.out) * groups,
           DepthwiseBody<T, V, kGradient>{{shape_, from, weights},
                                          static_cast<T*>(to),
                                          static_cast<const T*>(bias),
                                          static_cast<const T*>(addend),
                                          activation,
                                          groups});
    });
  }
  template <class Function>
  void with_vectors(const Function& function) const {
    gpu::with_vectors(gpu::activation_type(shape_.precision), channels(), function);
  }
  DepthwiseWeightsPlan weights_plan(int vector) const { return {shape_, vector, gpu_->processors()}; }
  int channels() const { return shape_.in.channels; }
  size_t pixels(const data::Geometry& shape) const {
    return static_cast<size_t>(shape_.batch) * static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
  }

  gpu::Gpu* gpu_;
  gpu::ConvolutionShape shape_;
  gpu::SharedWorkspace* workspace_;
};

}  // namespace dng::DNG_GPU
