// The loops over rows against their definitions, element by element in double: rows of every length around those that
// the loops take at once, blocks of 1, 8 and 16 channels.
#include "cpu/loops/row_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace dng::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kBound = 2e-6;  // of the largest value; sums are of up to 300
constexpr size_t kLongest = 300;
constexpr float kUntouched = 77.0f;

std::vector<float> values(size_t count, uint64_t place) {
  CounterRandom random(29, Stream::kTest, place, 3);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// A row, and the constants of its lanes as a block of channels repeats them. One element off the alignment of a vector.
struct Row {
  Row(size_t n, int block) : length(n), storage(values(n + 1, n)), other_storage(values(n + 1, n + 1000)) {
    for (uint64_t i = 0; i < 4; ++i) {
      const std::vector<float> channel = values(static_cast<size_t>(block), 2000 + i);
      for (size_t l = 0; l < cpu::kLanes; ++l) constants[i][l] = channel[l % static_cast<size_t>(block)];
    }
  }
  const float* x() const { return storage.data() + 1; }
  const float* delta() const { return other_storage.data() + 1; }
  double constant(int number, size_t i) const { return constants[number][i % cpu::kLanes]; }

  size_t length;
  std::vector<float> storage, other_storage;
  float constants[4][cpu::kLanes];
};

template <class Visit>
void each_row(const Visit& visit) {
  for (const int block : {1, 8, 16}) {
    for (size_t n = 0; n <= kLongest; n += n < 80 ? 1 : 20) {
      if (n % static_cast<size_t>(block) != 0) continue;
      SCOPED_TRACE(testing::Message() << n << " values, blocks of " << block);
      visit(Row(n, block));
    }
  }
}

double activated(double x, math::Activation activation) {
  if (activation == math::Activation::kRelu) return std::max(x, 0.0);
  if (activation == math::Activation::kLeaky) return x > 0 ? x : x * 0.1f;
  if (activation == math::Activation::kSwish) return x / (1 + std::exp(-x));
  if (activation == math::Activation::kMish) return x * std::tanh(std::log1p(std::exp(x)));
  return x;
}

double slope(double x, math::Activation activation) {
  if (math::gradient_reads_input(activation)) {
    constexpr double kStep = 1e-5;
    return (activated(x + kStep, activation) - activated(x - kStep, activation)) / (2 * kStep);
  }
  if (activation == math::Activation::kLinear || x > 0) return 1;
  return activation == math::Activation::kRelu ? 0 : 0.1f;
}

const std::vector<math::Activation> kActivations = {math::Activation::kLinear, math::Activation::kRelu,
                                                    math::Activation::kLeaky, math::Activation::kSwish,
                                                    math::Activation::kMish};

// y[n + 1] with an element behind the end that nobody may touch.
template <class Run>
std::vector<float> written(const float* before, size_t n, const Run& run) {
  std::vector<float> y(before, before + n);
  y.push_back(kUntouched);
  run(y.data());
  EXPECT_EQ(y.back(), kUntouched);
  y.pop_back();
  return y;
}

template <class Expected>
void expect_values(const std::vector<float>& found, const Expected& expected) {
  for (size_t i = 0; i < found.size(); ++i) {
    const double wanted = expected(i);
    ASSERT_NEAR(found[i], wanted, kBound * (1 + std::fabs(wanted))) << "element " << i;
  }
}

// Sums of the lanes of a row: `acc` began with `begin` in all lanes.
template <class Term>
void expect_sums(const float* acc, float begin, size_t n, const Term& term) {
  for (size_t l = 0; l < cpu::kLanes; ++l) {
    double sum = begin, size = 1;
    for (size_t i = l; i < n; i += cpu::kLanes) {
      sum += term(i);
      size += std::fabs(term(i));
    }
    ASSERT_NEAR(acc[l], sum, kBound * size) << "lane " << l;
  }
}

struct Lanes {
  explicit Lanes(float value) { std::fill(values, values + cpu::kLanes, value); }
  float values[cpu::kLanes];
};

TEST(RowMathTest, Sums) {
  each_row([](const Row& row) {
    Lanes sum(3), squares(5);
    cpu::row_sum(row.x(), row.length, sum.values);
    cpu::row_squares(row.x(), row.length, row.constants[0], squares.values);
    expect_sums(sum.values, 3, row.length, [&](size_t i) { return row.x()[i]; });
    expect_sums(squares.values, 5, row.length, [&](size_t i) { return std::pow(row.x()[i] - row.constant(0, i), 2); });
  });
}

TEST(RowMathTest, AffineWithActivation) {
  each_row([](const Row& row) {
    for (const math::Activation activation : kActivations) {
      const auto run = [&](const float* x, float* y) {
        cpu::row_affine(x, row.length, row.constants[0], row.constants[1], row.constants[2], activation, y);
      };
      const auto expected = [&](size_t i) {
        return activated((row.x()[i] - row.constant(0, i)) * row.constant(1, i) + row.constant(2, i), activation);
      };
      expect_values(written(row.delta(), row.length, [&](float* y) { run(row.x(), y); }), expected);
      expect_values(written(row.x(), row.length, [&](float* y) { run(y, y); }), expected);
    }
  });
}

TEST(RowMathTest, SumsOfGradients) {
  each_row([](const Row& row) {
    for (const math::Activation activation : kActivations) {
      Lanes sum(1), product(2);
      const auto gradient = [&](size_t i) {
        const double y = (row.x()[i] - row.constant(0, i)) * row.constant(1, i) + row.constant(2, i);
        return row.delta()[i] * slope(y, activation);
      };
      const std::vector<float> delta = written(row.delta(), row.length, [&](float* d) {
        cpu::row_activation_gradient_sums(d, row.x(), row.length, row.constants[0], row.constants[1], row.constants[2],
                                          activation, sum.values, product.values);
      });
      expect_values(delta, gradient);
      expect_sums(sum.values, 1, row.length, gradient);
      expect_sums(product.values, 2, row.length,
                  [&](size_t i) { return gradient(i) * (row.x()[i] - row.constant(0, i)); });
    }
  });
}

TEST(RowMathTest, NormalisedGradient) {
  each_row([](const Row& row) {
    const auto expected = [&](size_t i) {
      return row.delta()[i] * row.constant(1, i) + (row.x()[i] - row.constant(0, i)) * row.constant(2, i) +
             row.constant(3, i);
    };
    const auto& c = row.constants;
    expect_values(
        written(row.delta(), row.length,
                [&](float* y) { cpu::row_normalise_gradient(y, row.x(), row.length, c[0], c[1], c[2], c[3], y); }),
        expected);
    expect_values(written(row.x(), row.length,
                          [&](float* y) {
                            cpu::row_add_normalised_gradient(row.delta(), row.x(), row.length, c[0], c[1], c[2], c[3],
                                                             y);
                          }),
                  [&](size_t i) { return row.x()[i] + expected(i); });
  });
}

TEST(RowMathTest, AddAndGradientOfActivation) {
  each_row([](const Row& row) {
    for (const math::Activation activation : kActivations) {
      expect_values(
          written(row.delta(), row.length, [&](float* y) { cpu::row_add(row.x(), y, row.length, activation, y); }),
          [&](size_t i) { return activated(double{row.x()[i]} + row.delta()[i], activation); });
      expect_values(
          written(row.delta(), row.length,
                  [&](float* delta) { cpu::row_activation_gradient(row.x(), row.length, activation, delta); }),
          [&](size_t i) { return row.delta()[i] * slope(row.x()[i], activation); });
    }
    expect_values(written(row.delta(), row.length, [&](float* to) { cpu::row_accumulate(row.x(), row.length, to); }),
                  [&](size_t i) { return double{row.x()[i]} + row.delta()[i]; });
  });
}

// A network that has gone wrong must not look as if it were right.
TEST(RowMathTest, NanStaysNan) {
  const float zero[cpu::kLanes] = {};
  Lanes one(1);
  for (const float nan : {kNan, -kNan}) {
    for (const math::Activation activation : kActivations) {
      std::vector<float> x(35, nan), y(35, 1.0f);
      cpu::row_affine(x.data(), x.size(), zero, one.values, zero, activation, y.data());
      for (const float value : y) EXPECT_TRUE(std::isnan(value));
      cpu::row_add(x.data(), x.data(), x.size(), activation, y.data());
      for (const float value : y) EXPECT_TRUE(std::isnan(value));
    }
  }
}

TEST(RowMathTest, EdgesOfTheActivations) {
  const std::vector<float> edges = {
      0.0f, -0.0f, kInfinity, -kInfinity, std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::max()};
  const float zero[cpu::kLanes] = {};
  Lanes one(1);
  for (size_t repeats : {1, 8}) {
    std::vector<float> x;
    for (size_t i = 0; i < repeats; ++i) x.insert(x.end(), edges.begin(), edges.end());
    std::vector<float> y(x.size()), delta(x.size(), 1.0f);
    cpu::row_affine(x.data(), x.size(), zero, one.values, zero, math::Activation::kRelu, y.data());
    cpu::row_activation_gradient(x.data(), x.size(), math::Activation::kRelu, delta.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(y[i], x[i] > 0 ? x[i] : 0.0f) << x[i];
      EXPECT_EQ(delta[i], x[i] > 0 ? 1.0f : 0.0f) << x[i];
    }
  }
}

TEST(RowMathTest, LanesBelongToTheChannelsOfABlock) {
  float acc[cpu::kLanes];
  for (int l = 0; l < cpu::kLanes; ++l) acc[l] = static_cast<float>(1 << l);
  for (const int block : {1, 8, 16}) {
    cpu::Rows rows;
    rows.block = block;
    std::vector<double> sums(static_cast<size_t>(block), kUntouched);
    cpu::spread_lanes(acc, rows, sums.data());
    for (int c = 0; c < block; ++c) {
      double expected = 0;
      for (int l = c; l < cpu::kLanes; l += block) expected += 1 << l;
      EXPECT_EQ(sums[static_cast<size_t>(c)], expected);
    }
  }
}

}  // namespace
}  // namespace dng::test
