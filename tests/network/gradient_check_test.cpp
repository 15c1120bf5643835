// The checker's own tests: most are negative controls, because a checker that passes everything is worse than none.
#include "tests/network/gradient_check.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace dng::test {
namespace {

const std::vector<double> kLogits = {1.5, -0.7, 0.2, 2.1, -1.3, 0.9, 0.4, -2.2, 1.1, 0.05};
constexpr std::size_t kLabel = 2;

double cross_entropy(const std::vector<double>& z) {
  double sum = 0;
  for (const double value : z) sum += std::exp(value);
  return std::log(sum) - z[kLabel];
}

std::vector<double> cross_entropy_gradient(const std::vector<double>& z) {
  double sum = 0;
  for (const double value : z) sum += std::exp(value);
  std::vector<double> gradient;
  for (std::size_t j = 0; j < z.size(); ++j) gradient.push_back(std::exp(z[j]) / sum - (j == kLabel ? 1.0 : 0.0));
  return gradient;
}

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

TEST(GradientCheck, PassesTheRightGradient) {
  const GradientCheckResult result = check_gradient(cross_entropy, cross_entropy_gradient, kLogits);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_LT(result.max_relative_error, 1e-9) << result.message;
  EXPECT_EQ(result.checked, kLogits.size());
  EXPECT_EQ(result.skipped, 0U);
}

TEST(GradientCheck, PassesCoordinatesOfVeryDifferentSize) {
  const std::vector<double> x = {1e-6, -0.3, 25.0, -4e3, 1e5};
  const auto loss = [](const std::vector<double>& p) {
    double sum = 0;
    for (const double value : p) sum += std::sqrt(1 + value * value);
    return sum;
  };
  const auto gradient = [](const std::vector<double>& p) {
    std::vector<double> g;
    g.reserve(p.size());
    for (const double value : p) g.push_back(value / std::sqrt(1 + value * value));
    return g;
  };
  const GradientCheckResult result = check_gradient(loss, gradient, x);
  EXPECT_TRUE(result.ok) << result.message;
}

TEST(GradientCheck, PassesSmallGradientsOfTheRightValue) {
  const auto loss = [](const std::vector<double>& z) { return 1e-8 * cross_entropy(z); };
  EXPECT_TRUE(check_gradient(loss, kLogits, scaled(cross_entropy_gradient(kLogits), 1e-8)).ok);
}

TEST(GradientCheck, FailsAScaledGradient) {
  for (const auto& [factor, error] : {std::pair<double, double>{1.01, 0.01}, {0.99, 0.01}, {-1, 2}, {0, 1}}) {
    const GradientCheckResult result =
        check_gradient(cross_entropy, kLogits, scaled(cross_entropy_gradient(kLogits), factor));
    EXPECT_FALSE(result.ok) << result.message;
    EXPECT_NEAR(result.max_relative_error, error, 1e-3);
  }
}

TEST(GradientCheck, FailsScaledSmallGradients) {
  const auto loss = [](const std::vector<double>& z) { return 1e-8 * cross_entropy(z); };
  EXPECT_FALSE(check_gradient(loss, kLogits, scaled(cross_entropy_gradient(kLogits), 1.01e-8)).ok);
}

TEST(GradientCheck, FailsOneWrongCoordinateAndNamesIt) {
  const std::vector<double> right = cross_entropy_gradient(kLogits);
  for (std::size_t j = 0; j < right.size(); ++j) {
    std::vector<double> wrong = right;
    wrong[j] *= 1.01;
    const GradientCheckResult result = check_gradient(cross_entropy, kLogits, wrong);
    EXPECT_FALSE(result.ok) << "coordinate " << j << ": " << result.message;
    EXPECT_EQ(result.worst_index, j);
    wrong[j] = 0;
    EXPECT_FALSE(check_gradient(cross_entropy, kLogits, wrong).ok) << "coordinate " << j;
  }
}

TEST(GradientCheck, FailsTwoCoordinatesExchanged) {
  std::vector<double> wrong = cross_entropy_gradient(kLogits);
  std::swap(wrong[0], wrong[1]);
  EXPECT_FALSE(check_gradient(cross_entropy, kLogits, wrong).ok);
}

TEST(GradientCheck, FailsWrongNumberOfCoordinates) {
  std::vector<double> wrong = cross_entropy_gradient(kLogits);
  wrong.pop_back();
  EXPECT_FALSE(check_gradient(cross_entropy, kLogits, wrong).ok);
  EXPECT_FALSE(check_gradient(cross_entropy, std::vector<double>(), std::vector<double>()).ok);
}

TEST(GradientCheck, FailsValuesThatAreNotFinite) {
  std::vector<double> wrong = cross_entropy_gradient(kLogits);
  wrong[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(check_gradient(cross_entropy, kLogits, wrong).ok);
  const auto loss = [](const std::vector<double>& z) { return std::log(z[1]); };
  EXPECT_FALSE(check_gradient(loss, kLogits, cross_entropy_gradient(kLogits)).ok);
}

TEST(GradientCheck, FailsWhereTheGradientVanishes) {
  // At a minimum every gradient is right, a zeroed one included.
  const auto loss = [](const std::vector<double>& p) { return 3 + p[0] * p[0] + p[1] * p[1]; };
  const GradientCheckResult result = check_gradient(loss, {0.0, 0.0}, {0.0, 0.0});
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("median"), std::string::npos) << result.message;
}

TEST(GradientCheck, FailsWhereTheGradientDrownsInTheTolerance) {
  // A gradient of 1e-4 under a loss of 1e8: the differences hold rounding only.
  const auto loss = [](const std::vector<double>& z) { return 1e8 + 1e-4 * cross_entropy(z); };
  EXPECT_FALSE(check_gradient(loss, kLogits, scaled(cross_entropy_gradient(kLogits), 1e-4)).ok);

  // A floor so high that only a tenth of it would be seen.
  GradientCheckOptions options;
  options.tolerance = 1e-2;
  options.floor = 100;
  const GradientCheckResult result =
      check_gradient(cross_entropy, kLogits, scaled(cross_entropy_gradient(kLogits), 0), options);
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("shows nothing"), std::string::npos) << result.message;
}

// Has a kink at zero in every coordinate.
double sum_of_absolutes(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x) sum += std::fabs(value);
  return sum;
}

std::vector<double> signs(const std::vector<double>& x) {
  std::vector<double> gradient;
  gradient.reserve(x.size());
  for (const double value : x) gradient.push_back(value > 0 ? 1.0 : -1.0);
  return gradient;
}

std::vector<double> away_from_zero(std::size_t count) {
  std::vector<double> x;
  for (std::size_t i = 0; i < count; ++i) x.push_back((i % 2 == 0 ? 1.0 : -1.0) * (0.5 + static_cast<double>(i)));
  return x;
}

TEST(GradientCheck, SkipsCoordinatesAtAKink) {
  std::vector<double> x = away_from_zero(20);
  x[4] = 1e-5;
  x[9] = 0;
  GradientCheckOptions options;
  EXPECT_FALSE(check_gradient(sum_of_absolutes, signs, x, options).ok) << "without a predicate the kink must show";

  options.near_kink = [](const std::vector<double>& p, std::size_t index, double step) {
    return std::fabs(p[index]) <= step;
  };
  const GradientCheckResult result = check_gradient(sum_of_absolutes, signs, x, options);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_EQ(result.skipped, 2U);
  EXPECT_EQ(result.checked, 18U);
  EXPECT_FALSE(check_gradient(sum_of_absolutes, x, scaled(signs(x), 1.01), options).ok);
}

TEST(GradientCheck, FailsWhereTooManyCoordinatesAreSkipped) {
  std::vector<double> x = away_from_zero(20);
  x[4] = x[9] = x[13] = 0;
  GradientCheckOptions options;
  options.near_kink = [](const std::vector<double>& p, std::size_t index, double step) {
    return std::fabs(p[index]) <= step;
  };
  const GradientCheckResult result = check_gradient(sum_of_absolutes, signs, x, options);
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.skipped, 3U);
  EXPECT_NE(result.message.find("kink"), std::string::npos) << result.message;

  options.near_kink = [](const std::vector<double>&, std::size_t, double) { return true; };
  options.maximum_skipped = 1;
  EXPECT_FALSE(check_gradient(sum_of_absolutes, signs, x, options).ok);
}

}  // namespace
}  // namespace dng::test
