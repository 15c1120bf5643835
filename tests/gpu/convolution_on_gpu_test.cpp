// gpu/built_in_convolution.h against loops in double over the same rounded values, on the emulated GPU and the device.
// Every shape here is one for it: so each of its ways has to be taken.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "gpu/batch_statistics.h"
#include "tests/gpu/gpu_devices.h"

namespace dng::test {
namespace {

using gpu::BFloat16;
using gpu::ConvolutionShape;
using Values = std::vector<double>;

ConvolutionShape shape_of(int batch, const data::Geometry& in, int outputs, int size, int stride, int padding,
                          int groups = 1) {
  ConvolutionShape s;
  s.batch = batch;
  s.in = in;
  s.out = {outputs, (in.height + 2 * padding - size) / stride + 1, (in.width + 2 * padding - size) / stride + 1};
  s.size_y = s.size_x = size;
  s.stride_y = s.stride_x = stride;
  s.padding = padding;
  s.groups = groups;
  s.precision = gpu::Precision::kBf16;
  return s;
}

// Random bfloat16 values, on the host as doubles and on the device.
class Tensor {
 public:
  Tensor(gpu::Gpu* gpu, size_t count, unsigned seed) : gpu_(gpu), values_(count) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<BFloat16> halves(count);
    for (size_t i = 0; i < count; ++i) {
      halves[i] = gpu::from_float<BFloat16>(normal(random));
      values_[i] = static_cast<double>(gpu::to_float(halves[i]));
    }
    EXPECT_TRUE(memory_.allocate(gpu, count * sizeof(BFloat16)));
    gpu->copy_in(memory_.data(), halves.data(), count * sizeof(BFloat16));
    gpu->finish();
  }
  const Values& values() const { return values_; }
  void* data() const { return memory_.data(); }
  std::vector<uint16_t> bits() const {
    std::vector<BFloat16> halves(values_.size());
    gpu_->copy_out(halves.data(), memory_.data(), halves.size() * sizeof(BFloat16));
    std::vector<uint16_t> bits;
    bits.reserve(halves.size());
    for (const BFloat16& half : halves) bits.push_back(half.bits);
    return bits;
  }

 private:
  gpu::Gpu* gpu_;
  Values values_;
  gpu::Memory memory_;
};

// function(place in x, place in the weights, place in y) for every product of the convolution.
void for_products(const ConvolutionShape& s, const std::function<void(size_t, size_t, size_t)>& function) {
  for (int b = 0; b < s.batch; ++b) {
    for (int oy = 0; oy < s.out.height; ++oy) {
      for (int ox = 0; ox < s.out.width; ++ox) {
        for (int r = 0; r < s.size_y; ++r) {
          for (int q = 0; q < s.size_x; ++q) {
            const int y = oy * s.stride_y - s.padding + r * s.dilation,
                      x = ox * s.stride_x - s.padding + q * s.dilation;
            if (y < 0 || y >= s.in.height || x < 0 || x >= s.in.width) continue;
            for (int k = 0; k < s.out.channels; ++k) {
              const int inputs = s.in.channels / s.groups, first = k / (s.out.channels / s.groups) * inputs;
              for (int c = 0; c < inputs; ++c) {
                const int tap = r * s.size_x + q;
                function(static_cast<size_t>(((b * s.in.height + y) * s.in.width + x) * s.in.channels + first + c),
                         static_cast<size_t>(s.depthwise() ? tap * s.out.channels + k
                                                           : (k * s.size_y * s.size_x + tap) * inputs + c),
                         static_cast<size_t>(((b * s.out.height + oy) * s.out.width + ox) * s.out.channels + k));
              }
            }
          }
        }
      }
    }
  }
}

// With other strides and with gaps between the pixels under a filter.
ConvolutionShape spread(ConvolutionShape s, int stride_y, int stride_x, int dilation) {
  const int reach = dilation * (s.size_y - 1) + 1;
  s.stride_y = stride_y;
  s.stride_x = stride_x;
  s.dilation = dilation;
  s.out.height = (s.in.height + 2 * s.padding - reach) / stride_y + 1;
  s.out.width = (s.in.width + 2 * s.padding - reach) / stride_x + 1;
  return s;
}

// Sums are made in float and rounded to 8 bits once: by 2^-8 of the value at most; of the sums' own rounding little.
void expect_close(const Tensor& found, const Values& expected, double scale) {
  const std::vector<uint16_t> bits = found.bits();
  ASSERT_EQ(bits.size(), expected.size());
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    const auto value = static_cast<double>(gpu::to_float(BFloat16{bits[i]}));
    if (std::fabs(value - expected[i]) <= std::fabs(expected[i]) / 250 + 1e-5 * scale) continue;
    if (wrong++ == 0) first = i;
  }
  EXPECT_EQ(wrong, 0U) << "of " << bits.size() << ", first at " << first << ": " << gpu::to_float(BFloat16{bits[first]})
                       << " instead of " << expected[first];
}

// Mean and unbiased variance of what a convolution writes, and the rolling ones of the first step, which are the same.
void measure(gpu::Gpu* gpu, const ConvolutionShape& s, gpu::Convolution* convolution, const Tensor& x, const Tensor& w,
             const Values& y) {
  enum { kMean, kVariance, kFactor, kScale, kRollingMean, kRollingVariance, kAll };
  const auto channels = static_cast<size_t>(s.out.channels), count = y.size() / channels;
  gpu::Memory memory, step, partial, counters;
  ASSERT_TRUE(memory.allocate(gpu, kAll * channels * sizeof(float)) && step.allocate(gpu, sizeof(gpu::StepInput)) &&
              partial.allocate(gpu, size_t{1} << 20) && counters.allocate(gpu, channels * sizeof(unsigned)));
  const auto array = [&](size_t which) { return memory.as<float>(which * channels * sizeof(float)); };
  std::vector<float> at_first(kAll * channels, 1.5f);  // scales, and rolling means that are far off
  gpu->copy_in(memory.data(), at_first.data(), at_first.size() * sizeof(float));
  gpu->finish();
  const gpu::BatchStatistics into = {array(kMean),
                                     array(kVariance),
                                     array(kFactor),
                                     array(kScale),
                                     array(kRollingMean),
                                     array(kRollingVariance),
                                     step.as<gpu::StepInput>(),
                                     host::traits().batchnorm,
                                     0.01f,
                                     static_cast<double>(count),
                                     {partial.as<float>(), counters.as<unsigned>()}};
  const Tensor found(gpu, y.size(), 12);
  ASSERT_TRUE(convolution->forward_with_statistics(x.data(), w.data(), found.data(), into));
  expect_close(found, y, 10);
  std::vector<float> all(kAll * channels);
  gpu->copy_out(all.data(), memory.data(), all.size() * sizeof(float));
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (size_t i = c; i < y.size(); i += channels) sum += y[i];
    const double mean = sum / static_cast<double>(count);
    for (size_t i = c; i < y.size(); i += channels) squares += (y[i] - mean) * (y[i] - mean);
    const double variance = squares / static_cast<double>(count - 1);
    // The batch statistics are of rounded values.
    EXPECT_NEAR(static_cast<double>(all[kMean * channels + c]), mean, 0.004 * std::sqrt(variance)) << "channel " << c;
    EXPECT_NEAR(static_cast<double>(all[kVariance * channels + c]), variance, 0.02 * variance) << "channel " << c;
    EXPECT_EQ(all[kRollingMean * channels + c], all[kMean * channels + c]);
    EXPECT_EQ(all[kRollingVariance * channels + c], all[kVariance * channels + c]);
    EXPECT_NEAR(static_cast<double>(all[kFactor * channels + c]), 1.5 / std::sqrt(variance),
                0.02 / std::sqrt(variance));
  }
}

// The sums of batch norm's gradient, of what a convolution writes as the gradient of its input: of d = f' * dx, and of
// d times x less its mean.
void measure_gradient(gpu::Gpu* gpu, const ConvolutionShape& s, gpu::Convolution* convolution, const Tensor& w,
                      const Tensor& dy, const Values& dx, math::Activation activation) {
  enum { kMean, kFactor, kBias, kScale, kVariance, kScaleGradient, kBiasGradient, kDirect, kSlope, kConstant, kAll };
  const auto channels = static_cast<size_t>(s.in.channels);
  gpu::Memory memory, partial, counters;
  ASSERT_TRUE(memory.allocate(gpu, kAll * channels * sizeof(float)) && partial.allocate(gpu, size_t{1} << 20) &&
              counters.allocate(gpu, channels * sizeof(unsigned)));
  const auto array = [&](size_t which) { return memory.as<float>(which * channels * sizeof(float)); };
  std::vector<float> all(kAll * channels, 1.0f);
  const auto constant = [&](size_t which, size_t channel) -> float& { return all[which * channels + channel]; };
  for (size_t c = 0; c < channels; ++c) {
    constant(kMean, c) = 0.1f * static_cast<float>(c % 5) - 0.2f;
    // No x lies where the activation has its kink.
    constant(kBias, c) = 0.3f * static_cast<float>(c % 3) - 0.3171f;
    constant(kScaleGradient, c) = constant(kBiasGradient, c) = 0;
  }
  gpu->copy_in(memory.data(), all.data(), all.size() * sizeof(float));
  gpu->finish();
  const Tensor x(gpu, dx.size(), 13), found(gpu, dx.size(), 14);
  const size_t rows = dx.size() / channels;
  const auto count = static_cast<double>(rows);
  const host::BatchNormRules rules = host::traits().batchnorm;
  const gpu::GradientStatistics into = {x.data(),
                                        array(kMean),
                                        array(kFactor),
                                        array(kBias),
                                        activation,
                                        array(kScale),
                                        array(kVariance),
                                        array(kScaleGradient),
                                        array(kBiasGradient),
                                        array(kDirect),
                                        array(kSlope),
                                        array(kConstant),
                                        rules,
                                        count,
                                        {partial.as<float>(), counters.as<unsigned>()}};
  ASSERT_TRUE(convolution->backward_data_with_statistics(w.data(), dy.data(), found.data(), into));
  expect_close(found, dx, 10);
  gpu->copy_out(all.data(), memory.data(), all.size() * sizeof(float));
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0, product = 0, squares = 0;
    for (size_t i = c; i < dx.size(); i += channels) {
      const double centred = x.values()[i] - static_cast<double>(constant(kMean, c));
      const auto argument = static_cast<float>(centred) + constant(kBias, c);
      const double d = dx[i] * static_cast<double>(math::activation_gradient_at(argument, activation));
      sum += d;
      product += d * centred;
      squares += d * d;
    }
    // Every value is rounded by 2^-9 of itself, more or less.
    const double bound = 0.02 * std::sqrt(squares) + 1e-6;
    EXPECT_NEAR(static_cast<double>(constant(kBiasGradient, c)), sum, bound) << "channel " << c;
    EXPECT_NEAR(static_cast<double>(constant(kScaleGradient, c)), product / rules.divisor(1), 2 * bound)
        << "channel " << c;
    EXPECT_NEAR(static_cast<double>(constant(kConstant, c)), -sum / count, bound / count + 1e-5 * std::fabs(sum));
  }
}

// A convolution with random tensors, and what comes out in double.
struct Convolved {
  Convolved(gpu::Gpu* gpu, const ConvolutionShape& s)
      : convolution(gpu->make_convolution(s, true)),
        in(static_cast<size_t>(s.batch) * s.in.size()),
        out(static_cast<size_t>(s.batch) * s.out.size()),
        x(gpu, in, 1),
        w(gpu, s.weights(), 2),
        dy(gpu, out, 3),
        y(out),
        dx(in),
        dw(s.weights()) {
    for_products(s, [&](size_t i, size_t j, size_t o) {
      y[o] += x.values()[i] * w.values()[j];
      dx[i] += dy.values()[o] * w.values()[j];
      dw[j] += x.values()[i] * dy.values()[o];
    });
  }

  std::unique_ptr<gpu::Convolution> convolution;
  size_t in, out;
  Tensor x, w, dy;
  Values y, dx, dw;
};

void multiply(gpu::Gpu* gpu, const ConvolutionShape& s, const Convolved& c) {
  const size_t rows = c.out / static_cast<size_t>(s.out.channels);
  const double images = std::sqrt(static_cast<double>(rows));
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again ? "again" : "at first");
    const Tensor y(gpu, c.out, 6), dx(gpu, c.in, 7), dw(gpu, s.weights(), 8);
    c.convolution->forward(c.x.data(), c.w.data(), y.data());
    c.convolution->backward_data(c.w.data(), c.dy.data(), dx.data(), false);
    c.convolution->backward_weights(c.x.data(), c.dy.data(), dw.data(), false);
    expect_close(y, c.y, 10);
    expect_close(dx, c.dx, 10);
    expect_close(dw, c.dw, images);
  }
  const Tensor sum(gpu, c.in, 9), weights_sum(gpu, s.weights(), 10);
  Values dx = c.dx, dw = c.dw;
  for (size_t i = 0; i < c.in; ++i) dx[i] += sum.values()[i];
  for (size_t i = 0; i < dw.size(); ++i) dw[i] += weights_sum.values()[i];
  c.convolution->backward_data(c.w.data(), c.dy.data(), sum.data(), true);
  c.convolution->backward_weights(c.x.data(), c.dy.data(), weights_sum.data(), true);
  expect_close(sum, dx, 10);
  expect_close(weights_sum, dw, images);
}

// The same, and what built-in convolutions compute with it.
void convolve(const std::shared_ptr<gpu::Gpu>& gpu, const ConvolutionShape& s) {
  const Convolved c(gpu.get(), s);
  multiply(gpu.get(), s, c);
  measure(gpu.get(), s, c.convolution.get(), c.x, c.w, c.y);
  for (const math::Activation activation :
       {math::Activation::kLinear, math::Activation::kRelu, math::Activation::kMish}) {
    SCOPED_TRACE(static_cast<int>(activation));
    measure_gradient(gpu.get(), s, c.convolution.get(), c.w, c.dy, c.dx, activation);
  }
  const auto outputs = static_cast<size_t>(s.out.channels);
  const Tensor bias(gpu.get(), outputs, 4), addend(gpu.get(), c.out, 5);
  for (const math::Activation activation : {math::Activation::kRelu, math::Activation::kSwish}) {
    SCOPED_TRACE(static_cast<int>(activation));
    const Tensor fused(gpu.get(), c.out, 11);
    ASSERT_TRUE(
        c.convolution->forward_fused(c.x.data(), c.w.data(), bias.data(), addend.data(), activation, fused.data()));
    Values expected(c.out);
    for (size_t i = 0; i < c.out; ++i) {
      const double argument = c.y[i] + bias.values()[i % outputs] + addend.values()[i];
      expected[i] = static_cast<double>(math::activate(static_cast<float>(argument), activation));
    }
    expect_close(fused, expected, 10);
  }
}

DNG_GPU_TEST(ConvolutionTest, OfImagesOfThreeChannels) { convolve(gpu, shape_of(2, {3, 32, 32}, 16, 3, 1, 1)); }
DNG_GPU_TEST(ConvolutionTest, Of16Channels) { convolve(gpu, shape_of(3, {16, 32, 32}, 16, 3, 1, 1)); }
DNG_GPU_TEST(ConvolutionTest, From16To32WithStride) { convolve(gpu, shape_of(2, {16, 32, 32}, 32, 3, 2, 1)); }
DNG_GPU_TEST(ConvolutionTest, Of32Channels) { convolve(gpu, shape_of(3, {32, 16, 16}, 32, 3, 1, 1)); }
DNG_GPU_TEST(ConvolutionTest, From32To64WithStride) { convolve(gpu, shape_of(2, {32, 16, 16}, 64, 3, 2, 1)); }
DNG_GPU_TEST(ConvolutionTest, Of64Channels) { convolve(gpu, shape_of(3, {64, 8, 8}, 64, 3, 1, 1)); }
DNG_GPU_TEST(ConvolutionTest, OfOnePixelWithStride) {
  convolve(gpu, shape_of(2, {16, 32, 32}, 32, 1, 2, 0));
  convolve(gpu, shape_of(2, {32, 16, 16}, 64, 1, 2, 0));
}
DNG_GPU_TEST(ConvolutionTest, OfOddShapes) {
  convolve(gpu, shape_of(5, {5, 9, 7}, 7, 3, 2, 1));
  convolve(gpu, shape_of(3, {24, 11, 13}, 40, 1, 1, 0));
  convolve(gpu, shape_of(1, {48, 32, 32}, 12, 3, 1, 1));
  convolve(gpu, shape_of(2, {12, 7, 5}, 33, 3, 1, 0));
  convolve(gpu, shape_of(2, {9, 1, 1}, 3, 3, 2, 1));
}
DNG_GPU_TEST(ConvolutionTest, WithoutPositionsOfSomeRemainders) {
  convolve(gpu, shape_of(4, {16, 1, 5}, 16, 1, 2, 0));
  convolve(gpu, shape_of(4, {16, 5, 1}, 24, 3, 2, 1));
}
DNG_GPU_TEST(ConvolutionTest, Depthwise) {
  convolve(gpu, shape_of(3, {64, 9, 12}, 64, 3, 1, 1, 64));
  convolve(gpu, shape_of(2, {72, 11, 8}, 72, 5, 2, 2, 72));
  convolve(gpu, shape_of(2, {7, 10, 9}, 7, 3, 2, 0, 7));
  convolve(gpu, shape_of(2, {12, 6, 6}, 12, 4, 3, 2, 12));
  convolve(gpu, shape_of(40, {16, 8, 8}, 16, 7, 1, 3, 16));
  convolve(gpu, spread(shape_of(3, {24, 9, 12}, 24, 3, 1, 1, 24), 2, 1, 2));
  convolve(gpu, spread(shape_of(2, {8, 13, 10}, 8, 5, 1, 4, 8), 1, 3, 2));
}
// What no built-in convolution takes.
DNG_GPU_TEST(ConvolutionTest, OfLibraries) {
  for (const ConvolutionShape& s :
       {shape_of(2, {16, 9, 8}, 24, 3, 1, 1, 4), spread(shape_of(2, {16, 11, 9}, 8, 3, 1, 2), 1, 1, 2),
        spread(shape_of(3, {8, 9, 12}, 16, 3, 1, 1, 2), 2, 1, 1)}) {
    multiply(gpu.get(), s, Convolved(gpu.get(), s));
  }
}
DNG_GPU_TEST(ConvolutionTest, OfManyImages) {
  // More blocks than the device can run at once, and shares of several images.
  convolve(gpu, shape_of(70, {16, 8, 8}, 16, 3, 1, 1));
  // Tiles of several images, of which the last is not full.
  convolve(gpu, shape_of(9, {32, 5, 4}, 48, 3, 1, 1));
}

}  // namespace
}  // namespace dng::test
