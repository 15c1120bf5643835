// Convolutions of a micro-batch against one in double precision that is nothing but its loops: all sizes,
// strides, paddings, groups and layouts, channels that fill no block, forward and backward; and Winograd's.
#include "cpu/convolution/convolution.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/instructions.h"
#include "cpu/convolution/winograd.h"
#include "cpu/workspace.h"
#include "tests/compare.h"
#include "tests/cpu/convolution/reference_convolution.h"
#include "tests/cpu/thread_count.h"

namespace dng::test {
namespace {

// What a convolution writes, from workspace memory full of NaN, over such memory; not all of a gradient's
// need be.
struct Results {
  Floats out, in_gradient, weights_gradient;
  bool operator==(const Results& other) const {
    return same_bits(out, other.out) && same_bits(in_gradient, other.in_gradient) &&
           same_bits(weights_gradient, other.weights_gradient);
  }
};

// The convolution with weights, and where it may keep them.
struct Ready {
  Ready(const cpu::ConvolutionShape& shape, const Floats& weights)
      : chosen(cpu::make_training_convolution(shape)), convolution(*chosen) {
    set(weights);
  }
  void set(const Floats& weights) {
    convolution.prepare_forward(weights.data(), &memory);
    convolution.prepare_backward(weights.data(), &memory);
  }
  std::unique_ptr<cpu::TrainingConvolution> chosen;
  cpu::TrainingConvolution& convolution;
  cpu::Workspace memory;
};

Results run(const Example& example, const cpu::TrainingConvolution& convolution) {
  cpu::Workspace workspace;
  spoil(&workspace);
  Results results;
  results.out.assign(example.stored_gradient.size(), kNan);
  results.in_gradient.assign(example.stored_in.size(), kNan);
  results.weights_gradient.assign(convolution.gradient_size(), kNan);
  convolution.forward(example.stored_in.data(), results.out.data(), &workspace);
  convolution.backward_data(example.stored_gradient.data(), results.in_gradient.data(), &workspace);
  convolution.backward_weights(example.stored_in.data(), example.stored_gradient.data(), false,
                               results.weights_gradient.data(), &workspace);
  return results;
}

Errors errors_of(const cpu::ConvolutionShape& shape) {
  const Example example(shape);
  Ready ready(shape, example.weights);
  Results results = run(example, ready.convolution);
  // It adds: what was there before stays.
  Floats gradient(example.weight_count, 1.0f);
  ready.convolution.add_gradients(results.weights_gradient.data(), 1, 1, gradient.data());
  std::vector<double> expected = example.backward_weights();
  for (double& value : expected) value += 1;
  return {error_of(results.out, shape.out, shape.out_layout, shape.micro_batch, example.forward()),
          error_of(results.in_gradient, shape.in, shape.in_layout, shape.micro_batch, example.backward_data()),
          error_of(gradient, expected)};
}

double inference_error(const cpu::ConvolutionShape& shape, bool relu, bool factors) {
  const Example example(shape);
  const auto filters = static_cast<size_t>(shape.out.channels);
  const Floats factor = random_floats(filters, 4), shift = random_floats(filters, 5);
  const auto chosen = cpu::make_inference_convolution(shape, relu);
  cpu::InferenceConvolution& convolution = *chosen;
  convolution.set_weights(example.weights.data(), factors ? factor.data() : nullptr, shift.data());
  cpu::Workspace workspace;
  spoil(&workspace);
  Floats out(example.stored_gradient.size(), kNan);
  convolution.forward(example.stored_in.data(), out.data(), &workspace);
  std::vector<double> expected = example.forward();
  each_element(shape.out, shape.micro_batch, [&](int b, int c, int y, int x) {
    double& value = expected[index_of(shape.out, cpu::Layout::kPlain, b, c, y, x)];
    if (factors) value *= factor[static_cast<size_t>(c)];
    value += shift[static_cast<size_t>(c)];
    if (relu) value = std::max(value, 0.0);
  });
  return error_of(out, shape.out, shape.out_layout, shape.micro_batch, expected);
}

const std::vector<std::pair<cpu::Layout, cpu::Layout>> kLayouts = {{cpu::Layout::kPlain, cpu::Layout::kPlain},
                                                                   {cpu::Layout::kPlain, cpu::Layout::kBlocked},
                                                                   {cpu::Layout::kBlocked, cpu::Layout::kPlain},
                                                                   {cpu::Layout::kBlocked, cpu::Layout::kBlocked}};

// Every size, stride, padding and pair of layouts, each with two of the channels in turn.
std::vector<cpu::ConvolutionShape> shapes() {
  const std::vector<std::pair<int, int>> channels = {{3, 16}, {16, 16}, {12, 24}, {13, 17}, {24, 12},
                                                     {1, 5},  {32, 13}, {16, 3},  {40, 36}};
  const std::vector<std::pair<int, int>> images = {{9, 7}, {7, 7}, {8, 8}, {7, 12}};
  std::vector<cpu::ConvolutionShape> list;
  for (const int size : {1, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (int kind = 0; kind < (size == 1 ? 1 : 3); ++kind) {
        const int padding = kind == 0 ? size / 2 : kind == 1 ? 0 : 1;
        for (const auto& layouts : kLayouts) {
          for (int i = 0; i < 2; ++i) {
            const size_t n = list.size();
            const auto& [from, to] = channels[n % channels.size()];
            const auto& [height, width] = images[n / 2 % images.size()];
            cpu::ConvolutionShape shape =
                shape_of(n % 3 == 0 ? 4 : 1, {from, height, width}, to, size, stride, padding);
            shape.in_layout = layouts.first;
            shape.out_layout = layouts.second;
            list.push_back(shape);
          }
        }
      }
    }
  }
  return list;
}

// Groups: plain where blocks would hold channels of two of them. Depthwise blocks hold any, but with channels that they
// add on both sides or on neither.
std::vector<cpu::ConvolutionShape> shapes_with_groups() {
  std::vector<cpu::ConvolutionShape> list;
  for (const int size : {1, 3, 5}) {
    for (const int stride : {1, 2}) {
      for (const auto& [from, to, groups] : std::vector<std::array<int, 3>>{{4, 6, 2},
                                                                            {9, 3, 3},
                                                                            {8, 8, 8},
                                                                            {12, 24, 4},
                                                                            {32, 32, 2},
                                                                            {32, 64, 2},
                                                                            {16, 16, 16},
                                                                            {13, 13, 13},
                                                                            {40, 40, 40},
                                                                            {5, 10, 5},
                                                                            {32, 32, 8},
                                                                            {64, 32, 8},
                                                                            {48, 48, 3},
                                                                            {64, 64, 16},
                                                                            {24, 24, 3},
                                                                            {16, 16, 2}}) {
        for (const auto& layouts : kLayouts) {
          cpu::ConvolutionShape shape =
              shape_of(list.size() % 2 == 0 ? 4 : 1, {from, 7, 6}, to, size, stride, size / 2);
          shape.groups = groups;
          const bool blocks = shape.groups_fit_blocks() || (shape.depthwise() && layouts.first == layouts.second);
          if (!blocks && (layouts.first == cpu::Layout::kBlocked || layouts.second == cpu::Layout::kBlocked)) continue;
          shape.in_layout = layouts.first;
          shape.out_layout = layouts.second;
          list.push_back(shape);
        }
      }
    }
  }
  return list;
}

void expect_exact(const std::vector<cpu::ConvolutionShape>& list) {
  double worst = 0;
  for (cpu::ConvolutionShape shape : list) {
    shape.direct_only = true;
    SCOPED_TRACE(text_of(shape));
    const Errors errors = errors_of(shape);
    EXPECT_LE(errors.forward, kDirect) << "forward";
    EXPECT_LE(errors.data, kDirect) << "backward data";
    EXPECT_LE(errors.weights, kDirect) << "backward weights";
    worst = std::max(worst, errors.largest());
  }
  testing::Test::RecordProperty("error", format("%.2e", worst));
}

TEST(TrainingConvolutionTest, EveryShapeIsTheOneInDouble) { expect_exact(shapes()); }

TEST(TrainingConvolutionTest, GroupsAreApart) { expect_exact(shapes_with_groups()); }

std::vector<cpu::ConvolutionShape> dilated_and_unequally_strided() {
  std::vector<cpu::ConvolutionShape> list;
  for (const int dilation : {1, 2, 3}) {
    for (const auto& [stride_y, stride_x] : std::vector<std::pair<int, int>>{{1, 1}, {2, 1}, {1, 3}, {2, 2}}) {
      for (const auto& [from, to, groups] :
           std::vector<std::array<int, 3>>{{3, 16, 1}, {16, 24, 1}, {32, 32, 2}, {16, 16, 16}}) {
        for (const auto& layouts : kLayouts) {
          const bool blocks = from % 16 == 0 && (groups == 1 || groups == from);
          if (!blocks && (layouts.first == cpu::Layout::kBlocked || layouts.second == cpu::Layout::kBlocked)) continue;
          cpu::ConvolutionShape shape = shape_of(list.size() % 2 == 0 ? 4 : 1, {from, 11, 9}, to, 3, 1, dilation);
          shape.groups = groups;
          shape.dilation = dilation;
          shape.stride_y = stride_y;
          shape.stride_x = stride_x;
          shape.out.height = 10 / stride_y + 1;
          shape.out.width = 8 / stride_x + 1;
          shape.in_layout = layouts.first;
          shape.out_layout = layouts.second;
          list.push_back(shape);
        }
      }
    }
  }
  return list;
}

// oneDNN has no kernel for some of their gradients.
TEST(TrainingConvolutionTest, DepthwiseWindowsOfEverySize) {
  std::vector<cpu::ConvolutionShape> list;
  for (const int size : {3, 5, 7}) {
    for (const auto& [dilation, stride_y, stride_x] :
         std::vector<std::array<int, 3>>{{1, 1, 1}, {1, 2, 2}, {2, 1, 3}, {1, 3, 1}, {3, 1, 1}}) {
      for (const int channels : {13, 32, 40}) {
        cpu::ConvolutionShape shape =
            shape_of(list.size() % 2 == 0 ? 3 : 1, {channels, 8, 11}, channels, size, 1, dilation * (size / 2));
        shape.groups = channels;
        shape.dilation = dilation;
        shape.stride_y = stride_y;
        shape.stride_x = stride_x;
        shape.out.height = 7 / stride_y + 1;
        shape.out.width = 10 / stride_x + 1;
        shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
        list.push_back(shape);
      }
    }
  }
  expect_exact(list);
}

TEST(TrainingConvolutionTest, DilationsAndUnequalStridesAreThoseInDouble) {
  expect_exact(dilated_and_unequally_strided());
  // The small-window algorithm leaves them to oneDNN.
  for (cpu::ConvolutionShape shape : dilated_and_unequally_strided()) {
    const bool plain = shape.dilation == 1 && shape.stride_y == 1 && shape.stride_x == 1 && shape.groups == 1;
    const bool blocked = shape.in_layout == cpu::Layout::kBlocked && shape.out_layout == cpu::Layout::kBlocked;
    if (cpu::winograd_fits(shape)) {
      EXPECT_TRUE(plain && blocked) << text_of(shape);
    }
    SCOPED_TRACE(text_of(shape));
    EXPECT_LE(errors_of(shape).largest(), plain ? kWinograd : kDirect);
  }
}

TEST(InferenceConvolutionTest, BiasFactorsAndReluComeAlong) {
  std::vector<cpu::ConvolutionShape> list = shapes();
  for (const cpu::ConvolutionShape& shape : shapes_with_groups()) list.push_back(shape);
  for (const cpu::ConvolutionShape& shape : dilated_and_unequally_strided()) list.push_back(shape);
  double worst = 0;
  int number = 0;
  for (cpu::ConvolutionShape shape : list) {
    shape.direct_only = true;
    SCOPED_TRACE(text_of(shape));
    const double error = inference_error(shape, number % 2 == 0, number / 2 % 2 == 0);
    EXPECT_LE(error, kDirect);
    worst = std::max(worst, error);
    ++number;
  }
  RecordProperty("error", format("%.2e", worst));
}

// The negative control: a weight that is one in a hundred off, of thousands, is found.
TEST(TrainingConvolutionTest, AWrongWeightWouldBeFound) {
  cpu::ConvolutionShape shape = shape_of(4, {16, 8, 8}, 16, 3, 1, 1);
  shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
  const Example example(shape);
  Floats weights = example.weights;
  weights[1000] += 0.01f;
  const Ready ready(shape, weights);
  const Results results = run(example, ready.convolution);
  EXPECT_GT(error_of(results.out, shape.out, shape.out_layout, 4, example.forward()), 5 * kWinograd);
  EXPECT_GT(error_of(results.in_gradient, shape.in, shape.in_layout, 4, example.backward_data()), 5 * kWinograd);
}

TEST(TrainingConvolutionTest, NewWeightsTakeEffect) {
  for (const auto& layouts : kLayouts) {
    cpu::ConvolutionShape shape = shape_of(1, {12, 6, 6}, 24, 3, 1, 1);
    shape.in_layout = layouts.first;
    shape.out_layout = layouts.second;
    SCOPED_TRACE(text_of(shape));
    const Example example(shape);
    const bool blocks = layouts.first == cpu::Layout::kBlocked && layouts.second == cpu::Layout::kBlocked;
    const double bound = blocks ? kWinograd : kDirect;
    Floats weights(example.weight_count, 9.0f);
    Ready training(shape, weights);
    const auto chosen = cpu::make_inference_convolution(shape, false);
    cpu::InferenceConvolution& inference = *chosen;
    const Floats shift(24, 0.0f);
    cpu::Workspace workspace;
    for (const Floats* now : {static_cast<const Floats*>(&weights), &example.weights}) {
      training.set(*now);
      inference.set_weights(now->data(), nullptr, shift.data());
    }
    EXPECT_LE(error_of(run(example, training.convolution).out, shape.out, shape.out_layout, 1, example.forward()),
              bound);
    Floats out(example.stored_gradient.size(), kNan);
    inference.forward(example.stored_in.data(), out.data(), &workspace);
    EXPECT_LE(error_of(out, shape.out, shape.out_layout, 1, example.forward()), bound);
  }
}

// Where the plan chooses Winograd the results differ from the direct ones by rounding alone.
TEST(WinogradTest, IsWithinItsBound) {
  Errors worst;
  double worst_inference = 0, worst_direct = 0;
  int ways = 0;
  for (const int channels : {16, 32, 64, 128}) {
    for (const int side : {4, 7, 8, 14}) {
      const int filters = channels == 32 ? 48 : channels;
      // The reference takes its time: fewer images where there are many products.
      const int images = channels * side <= 512 ? 4 : channels * side <= 1024 ? 2 : 1;
      cpu::ConvolutionShape shape = shape_of(images, {channels, side, side}, filters, 3, 1, 1);
      shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
      SCOPED_TRACE(text_of(shape));
      const Example example(shape);
      const std::vector<double> out = example.forward(), in = example.backward_data(), w = example.backward_weights();
      const auto errors = [&](bool direct, Results* results) {
        cpu::ConvolutionShape chosen = shape;
        chosen.direct_only = direct;
        Ready ready(chosen, example.weights);
        *results = run(example, ready.convolution);
        Floats gradient(example.weight_count, 0.0f), sums = results->weights_gradient;
        ready.convolution.add_gradients(sums.data(), 1, 1, gradient.data());
        results->weights_gradient = gradient;
        return Errors{error_of(results->out, shape.out, shape.out_layout, images, out),
                      error_of(results->in_gradient, shape.in, shape.in_layout, images, in), error_of(gradient, w)};
      };
      Results fast, direct;
      const Errors found = errors(false, &fast), plain = errors(true, &direct);
      ways += (fast.out == direct.out ? 0 : 1) + (fast.in_gradient == direct.in_gradient ? 0 : 1) +
              (fast.weights_gradient == direct.weights_gradient ? 0 : 1);
      EXPECT_LE(found.forward, kWinograd);
      EXPECT_LE(found.data, kWinograd);
      EXPECT_LE(found.weights, kWinograd);
      EXPECT_LE(plain.largest(), kDirect);
      const double inference = inference_error(shape, false, true);
      EXPECT_LE(inference, kWinograd);
      worst = {std::max(worst.forward, found.forward), std::max(worst.data, found.data),
               std::max(worst.weights, found.weights)};
      worst_inference = std::max(worst_inference, inference);
      worst_direct = std::max(worst_direct, plain.largest());
    }
  }
  std::printf("errors: forward %.1e, data %.1e, weights %.1e, inference %.1e; direct %.1e; %d of 48 by Winograd\n",
              worst.forward, worst.data, worst.weights, worst_inference, worst_direct, ways);
  RecordProperty("winograd", format("%.2e", std::max(worst.largest(), worst_inference)));
}

// Every rest of a tile, of a panel of filters and of the rows of a product; padding that is wider forward or
// backward; parts of tiles that do not fit into the cache at once.
TEST(WinogradTest, TakesEveryShape) {
  if (instructions() == Instructions::kAny) GTEST_SKIP() << "no Winograd for this processor";
  const std::vector<std::pair<int, int>> channels = {{8, 8}, {16, 24}, {24, 16}, {13, 38}, {40, 8}, {72, 88}};
  const std::vector<std::pair<int, int>> images = {{3, 3}, {4, 9}, {5, 4}, {10, 6}, {14, 13}};
  double worst = 0;
  int by_winograd = 0;
  for (const auto& [from, to] : channels) {
    for (const auto& [height, width] : images) {
      for (int padding = 0; padding <= 2; ++padding) {
        const int images = from > 40 ? 8 : 3;
        cpu::ConvolutionShape shape = shape_of(images, {from, height, width}, to, 3, 1, padding);
        shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
        SCOPED_TRACE(text_of(shape));
        if (cpu::make_training_convolution(shape)->gradient_size() !=
            cpu::WinogradGradient(cpu::winograd_shape(shape)).size())
          continue;
        ++by_winograd;
        const double error = std::max(
            {errors_of(shape).largest(), inference_error(shape, true, true), inference_error(shape, false, false)});
        EXPECT_LE(error, kWinograd);
        worst = std::max(worst, error);
      }
    }
  }
  std::printf("error %.1e of %d shapes\n", worst, by_winograd);
  EXPECT_GE(by_winograd, 80) << "1x1 and 2x2 are left to direct kernels";
}

TEST(TrainingConvolutionTest, GradientsOfWeightsAddUp) {
  for (const bool direct : {true, false}) {
    cpu::ConvolutionShape shape = shape_of(4, {32, 8, 8}, 24, 3, 1, 1);
    shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
    shape.direct_only = direct;
    const Example example(shape);
    const auto chosen = cpu::make_training_convolution(shape);
    cpu::TrainingConvolution& convolution = *chosen;
    cpu::Workspace workspace;
    const size_t size = convolution.gradient_size();
    Floats sums(2 * size, kNan);
    for (const auto& [at, add] : {std::pair<size_t, bool>{0, false}, {0, true}, {size, false}}) {
      convolution.backward_weights(example.stored_in.data(), example.stored_gradient.data(), add, sums.data() + at,
                                   &workspace);
    }
    std::vector<double> expected = example.backward_weights();
    for (double& value : expected) value *= 3;
    for (const auto& [shards, parts] : {std::pair<int, int>{1, 2}, {2, 1}}) {
      Floats copy = sums, gradient(example.weight_count, 0.0f);
      convolution.add_gradients(copy.data(), shards, parts, gradient.data());
      EXPECT_LE(error_of(gradient, expected), direct ? kDirect : kWinograd) << shards << " shards";
    }
  }
}

// Threads share primitives and weights, not workspace memory.
TEST(ConvolutionThreadsTest, ManyAtOnceGiveTheSameBits) {
  constexpr int kThreads = 4, kRounds = 8;
  std::vector<cpu::ConvolutionShape> list = {shape_of(4, {3, 9, 9}, 16, 3, 1, 1), shape_of(2, {32, 8, 8}, 32, 3, 1, 1),
                                             shape_of(1, {12, 7, 7}, 24, 5, 2, 2),
                                             shape_of(4, {16, 8, 8}, 32, 1, 2, 0)};
  for (size_t i = 0; i < list.size(); ++i) {
    cpu::ConvolutionShape& shape = list[i];
    if (i > 0) shape.in_layout = cpu::Layout::kBlocked;
    if (i != 2) shape.out_layout = cpu::Layout::kBlocked;
    SCOPED_TRACE(text_of(shape));
    const Example example(shape);
    const Ready ready(shape, example.weights);
    const cpu::TrainingConvolution& training = ready.convolution;
    const auto chosen = cpu::make_inference_convolution(shape, true);
    cpu::InferenceConvolution& inference = *chosen;
    const Floats shift = random_floats(static_cast<size_t>(shape.out.channels), 6);
    inference.set_weights(example.weights.data(), nullptr, shift.data());
    const auto infer = [&] {
      cpu::Workspace workspace;
      spoil(&workspace);
      Floats out(example.stored_gradient.size(), kNan);
      inference.forward(example.stored_in.data(), out.data(), &workspace);
      return out;
    };
    const Results expected = run(example, training);
    const Floats evaluated = infer();
    std::vector<int> same(kThreads, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int round = 0; round < kRounds; ++round) {
          same[t] += run(example, training) == expected && infer() == evaluated ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(same, std::vector<int>(kThreads, kRounds));
  }
}

// A primitive is made for one thread whatever the number of threads is when it runs: sums are cut alike.
TEST(ConvolutionThreadsTest, TheNumberOfThreadsChangesNoBit) {
  cpu::ConvolutionShape shape = shape_of(4, {32, 14, 14}, 32, 3, 1, 1);
  shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
  const Example example(shape);
  std::vector<Results> results;
  for (const int threads : {1, 2, 5}) {
    const ThreadCount guard(threads);
    const Ready ready(shape, example.weights);
    results.push_back(run(example, ready.convolution));
    EXPECT_EQ(omp_get_max_threads(), threads);
  }
  EXPECT_TRUE(results[1] == results[0]);
  EXPECT_TRUE(results[2] == results[0]);
}

}  // namespace
}  // namespace dng::test
