// Convolutions of the whole batch at once, weights in slices, against one in double precision.
#include "cpu/convolution/wide_convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/instructions.h"
#include "tests/cpu/convolution/reference_convolution.h"
#include "tests/cpu/thread_count.h"

namespace dng::test {
namespace {

struct Results {
  Floats out, in_gradient, update;
};

// Images come in ranges of `images`; the update had ones.
Results run(const Example& example, int images) {
  const cpu::ConvolutionShape& shape = example.shape;
  const cpu::WideConvolution wide(shape, shape.micro_batch);
  Floats inputs(wide.inputs_size(), kNan), data(wide.data_size(), kNan), tiles(wide.tiles_size(), kNan);
  const size_t in = cpu::floats_of(shape.in, shape.in_layout), out = cpu::floats_of(shape.out, shape.out_layout);
  for (int first = 0; first < shape.micro_batch; first += images) {
    const graph::Range range{first, std::min(images, shape.micro_batch - first)};
    wide.read_inputs(example.stored_in.data() + range.offset(in), range, inputs.data());
    wide.read_gradients_for_data(example.stored_gradient.data() + range.offset(out), range, data.data());
    wide.read_gradients_for_weights(example.stored_gradient.data() + range.offset(out), range, tiles.data());
  }
  Results results{Floats(example.stored_gradient.size(), kNan), Floats(example.stored_in.size(), kNan),
                  Floats(example.weight_count, 1.0f)};
  wide.forward(example.weights.data(), inputs.data(), results.out.data());
  wide.backward_data(example.weights.data(), data.data(), results.in_gradient.data());
  wide.backward_weights(inputs.data(), tiles.data(), results.update.data());
  return results;
}

cpu::ConvolutionShape blocked(int batch, const data::Geometry& in, int filters, int padding) {
  cpu::ConvolutionShape shape = shape_of(batch, in, filters, 3, 1, padding);
  shape.in_layout = shape.out_layout = cpu::Layout::kBlocked;
  return shape;
}

class WideConvolutionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (instructions() == Instructions::kAny) GTEST_SKIP() << "no Winograd for this processor";
  }
};

// Slices that are whole and rests of them, of filters and of channels; every padding; images of parts of tiles.
TEST_F(WideConvolutionTest, AgreesWithDoublePrecision) {
  double worst = 0;
  for (const auto& [from, to] : {std::pair<int, int>{64, 32}, {80, 48}, {16, 112}, {128, 64}}) {
    for (const auto& [height, width] : {std::pair<int, int>{7, 7}, {4, 8}, {3, 5}}) {
      for (int padding = 0; padding <= 2; ++padding) {
        const Example example(blocked(3, {from, height, width}, to, padding));
        SCOPED_TRACE(text_of(example.shape));
        const Results found = run(example, 2);
        std::vector<double> update = example.backward_weights();
        for (double& value : update) value += 1;
        const Errors errors{
            error_of(found.out, example.shape.out, cpu::Layout::kBlocked, 3, example.forward()),
            error_of(found.in_gradient, example.shape.in, cpu::Layout::kBlocked, 3, example.backward_data()),
            error_of(found.update, update)};
        EXPECT_LE(errors.largest(), kWinograd);
        worst = std::max(worst, errors.largest());
      }
    }
  }
  RecordProperty("error", format("%.2e", worst));
}

TEST_F(WideConvolutionTest, DependsOnNeitherThreadsNorRanges) {
  const Example example(blocked(4, {96, 7, 7}, 144, 1));
  const auto run_with = [&](int threads, int images) {
    const ThreadCount guard(threads);
    return run(example, images);
  };
  const Results one = run_with(1, 1), three = run_with(3, 4);
  EXPECT_EQ(one.out, three.out);
  EXPECT_EQ(one.in_gradient, three.in_gradient);
  EXPECT_EQ(one.update, three.update);
}

// For weights that are larger than the batch, and for nothing else.
TEST_F(WideConvolutionTest, PaysForLargeWeights) {
  const cpu::ConvolutionShape last = blocked(1, {512, 7, 7}, 512, 1);
  EXPECT_TRUE(cpu::WideConvolution::pays(last, 16));
  EXPECT_FALSE(cpu::WideConvolution::pays(last, 2)) << "too few tiles for Winograd";
  EXPECT_FALSE(cpu::WideConvolution::pays(last, 17)) << "too many tiles for the cache";
  EXPECT_FALSE(cpu::WideConvolution::pays(blocked(1, {64, 4, 4}, 64, 1), 17)) << "weights smaller than the batch";
  EXPECT_FALSE(cpu::WideConvolution::pays(blocked(1, {64, 8, 8}, 64, 1), 128));
  cpu::ConvolutionShape other = last;
  other.direct_only = true;
  EXPECT_FALSE(cpu::WideConvolution::pays(other, 16)) << "direct only";
  other = last;
  other.out_layout = cpu::Layout::kPlain;
  EXPECT_FALSE(cpu::WideConvolution::pays(other, 16)) << "plain";
  other = last;
  other.in.channels = 509;
  EXPECT_FALSE(cpu::WideConvolution::pays(other, 16)) << "channels that fill no block";
}

}  // namespace
}  // namespace dng::test
