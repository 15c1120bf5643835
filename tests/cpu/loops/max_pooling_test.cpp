// Max pooling of a row against one that is written as its definition: the largest value of the window, of equal ones
// the first, and NaN never.
#include "cpu/loops/max_pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "cpu/layout.h"

namespace dng::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Pooled {
  std::vector<float> output;
  std::vector<int> best;
};

// `best` is the index of a pixel's first lane.
Pooled expected_of(const std::vector<float>& input, const cpu::PoolShape& shape, int block) {
  Pooled pooled;
  for (int oy = 0; oy < shape.out.height; ++oy) {
    for (int ox = 0; ox < shape.out.width; ++ox) {
      for (int lane = 0; lane < block; ++lane) {
        float largest = 0;
        int best = -1, first = -1;
        for (int y = shape.offset + oy * shape.stride_y; y < shape.offset + oy * shape.stride_y + shape.size; ++y) {
          for (int x = shape.offset + ox * shape.stride_x; x < shape.offset + ox * shape.stride_x + shape.size; ++x) {
            if (y < 0 || x < 0 || y >= shape.in.height || x >= shape.in.width) continue;
            const int at = (y * shape.in.width + x) * block;
            if (first < 0) first = at;
            const float value = input[static_cast<size_t>(at + lane)];
            if (std::isnan(value) || value < -std::numeric_limits<float>::max()) continue;
            // As the host does it, the smallest float does not win against what it starts from.
            if (value == -std::numeric_limits<float>::max()) continue;
            if (best < 0 || value > largest) {
              largest = value;
              best = at;
            }
          }
        }
        pooled.output.push_back(best < 0 ? -std::numeric_limits<float>::max() : largest);
        pooled.best.push_back(best < 0 ? first : best);
      }
    }
  }
  return pooled;
}

cpu::PoolShape pool_shape(int height, int width, int size, int stride, int padding) {
  cpu::PoolShape shape;
  shape.in = {1, height, width};
  shape.out = {1, (height + padding - size) / stride + 1, (width + padding - size) / stride + 1};
  shape.size = size;
  shape.stride_y = shape.stride_x = stride;
  shape.offset = -(padding / 2);
  return shape;
}

void expect_pooled(const std::vector<float>& input, const cpu::PoolShape& shape, int block) {
  const size_t count =
      static_cast<size_t>(shape.out.height) * static_cast<size_t>(shape.out.width) * static_cast<size_t>(block);
  // A line behind the end shows what is written too far.
  std::vector<float> output(count + cpu::kLanes, 77.0f);
  std::vector<int> best(count + cpu::kLanes, -77);
  cpu::max_pool_row(input.data(), shape, block, output.data(), best.data());
  for (size_t i = count; i < output.size(); ++i) {
    ASSERT_EQ(output[i], 77.0f);
    ASSERT_EQ(best[i], -77);
  }
  output.resize(count);
  best.resize(count);
  const Pooled expected = expected_of(input, shape, block);
  EXPECT_EQ(output, expected.output);
  EXPECT_EQ(best, expected.best);
}

std::vector<float> values_of(const cpu::PoolShape& shape, int block, uint64_t place, int kind) {
  CounterRandom random(13, Stream::kTest, place, 6);
  std::vector<float> values(static_cast<size_t>(shape.in.height) * static_cast<size_t>(shape.in.width) *
                            static_cast<size_t>(block));
  for (float& value : values) {
    value = static_cast<float>(random.uniform(-1, 1));
    // Ties; and NaN.
    if (kind == 1) value = static_cast<float>(static_cast<int>(random.below(3)) - 1);
    if (kind == 2 && random.below(3) == 0) value = random.below(2) == 0 ? kNan : -kInfinity;
    if (kind == 2 && random.below(20) == 0) value = kInfinity;
  }
  return values;
}

TEST(MaxPoolTest, EveryWindowOfEveryShape) {
  uint64_t place = 0;
  for (const int block : {1, 4, 8, 16}) {
    for (const auto& [height, width] : {std::pair<int, int>{1, 1}, {4, 4}, {7, 5}, {3, 11}, {8, 8}}) {
      for (int size = 1; size <= 4; ++size) {
        for (int stride = 1; stride <= 3; ++stride) {
          // The whole padding of both sides: 0 is a window that fits, size - 1 is Darknet's.
          for (const int padding : {0, size - 1, size}) {
            if (height + padding < size || width + padding < size || padding / 2 >= size) continue;
            const cpu::PoolShape shape = pool_shape(height, width, size, stride, padding);
            if ((shape.out.height - 1) * stride + shape.offset >= height) continue;
            if ((shape.out.width - 1) * stride + shape.offset >= width) continue;
            for (int kind = 0; kind < 3; ++kind) {
              SCOPED_TRACE(testing::Message() << height << "x" << width << ", size " << size << ", stride " << stride
                                              << ", padding " << padding << ", lanes " << block << ", kind " << kind);
              expect_pooled(values_of(shape, block, ++place, kind), shape, block);
            }
          }
        }
      }
    }
  }
  EXPECT_GT(place, 500U);
}

TEST(MaxPoolTest, OfEqualValuesTheFirstGetsTheGradient) {
  const cpu::PoolShape shape = pool_shape(2, 2, 2, 2, 0);
  for (const int block : {1, 4, 8, 16}) {
    std::vector<float> output(static_cast<size_t>(block));
    std::vector<int> best(static_cast<size_t>(block), -1);
    cpu::max_pool_row(std::vector<float>(4 * static_cast<size_t>(block), 0.5f).data(), shape, block, output.data(),
                      best.data());
    EXPECT_EQ(output, std::vector<float>(static_cast<size_t>(block), 0.5f));
    EXPECT_EQ(best, std::vector<int>(static_cast<size_t>(block), 0));
  }
}

TEST(MaxPoolTest, NanNeverWins) {
  const cpu::PoolShape shape = pool_shape(2, 2, 2, 2, 0);
  float output = 0;
  int best = -1;
  cpu::max_pool_row(std::vector<float>{kNan, -3, kNan, -4}.data(), shape, 1, &output, &best);
  EXPECT_EQ(output, -3);
  EXPECT_EQ(best, 1);
  cpu::max_pool_row(std::vector<float>(4, kNan).data(), shape, 1, &output, &best);
  EXPECT_EQ(output, -std::numeric_limits<float>::max());
  EXPECT_EQ(best, 0) << "within the window, where a gradient does no harm";
}

// Every lane is a channel of its own: what one has does not show in another.
TEST(MaxPoolTest, LanesAreApart) {
  const cpu::PoolShape shape = pool_shape(5, 6, 3, 2, 2);
  const std::vector<float> values = values_of(shape, cpu::kLanes, 1000, 0);
  const size_t pixels = 30, outputs = static_cast<size_t>(shape.out.height) * static_cast<size_t>(shape.out.width);
  std::vector<float> all(outputs * cpu::kLanes), one(outputs);
  std::vector<int> best(all.size()), best_of_one(outputs);
  cpu::max_pool_row(values.data(), shape, cpu::kLanes, all.data(), best.data());
  for (size_t lane = 0; lane < cpu::kLanes; ++lane) {
    std::vector<float> channel;
    for (size_t i = 0; i < pixels; ++i) channel.push_back(values[i * cpu::kLanes + lane]);
    cpu::max_pool_row(channel.data(), shape, 1, one.data(), best_of_one.data());
    for (size_t i = 0; i < outputs; ++i) {
      ASSERT_EQ(all[i * cpu::kLanes + lane], one[i]);
      ASSERT_EQ(best[i * cpu::kLanes + lane], best_of_one[i] * cpu::kLanes);
    }
  }
}

}  // namespace
}  // namespace dng::test
