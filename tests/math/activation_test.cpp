// Activation functions and their gradients against double-precision formulas and differences, alone and in the row
// loops, for every instruction set that the processor has (DNNL_MAX_CPU_ISA picks).
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cpu/loops/row_math.h"
#include "math/activation.h"

namespace dng {
namespace {

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

struct Example {
  const char* name;
  double (*value)(double x);
  double kink, second_kink;  // where there is no derivative
};

const Example kExamples[] = {
    {"logistic", sigma, 99, 99},
    {"loggy", [](double x) { return 2 * sigma(x) - 1; }, 99, 99},
    {"tanh", [](double x) { return std::tanh(x); }, 99, 99},
    {"elu", [](double x) { return x >= 0 ? x : std::expm1(x); }, 0, 99},
    {"selu", [](double x) { return 1.0507 * (x >= 0 ? x : 1.6732 * std::expm1(x)); }, 0, 99},
    {"relu", [](double x) { return x > 0 ? x : 0; }, 0, 99},
    {"relu6", [](double x) { return x < 0   ? 0
                                    : x > 6 ? 6
                                            : x; }, 0, 6},
    {"leaky", [](double x) { return x > 0 ? x : 0.1 * x; }, 0, 99},
    {"ramp", [](double x) { return 0.1 * x + (x > 0 ? x : 0); }, 0, 99},
    {"relie", [](double x) { return x > 0 ? x : 0.01 * x; }, 0, 99},
    {"plse", [](double x) { return x < -4  ? 0.01 * (x + 4)
                                   : x > 4 ? 0.01 * (x - 4) + 1
                                           : 0.125 * x + 0.5; }, -4, 4},
    {"hardtan", [](double x) { return x < -1  ? -1
                                      : x > 1 ? 1
                                              : x; }, -1, 1},
    {"lhtan", [](double x) { return x < 0   ? 0.001 * x
                                    : x > 1 ? 0.001 * (x - 1) + 1
                                            : x; }, 0, 1},
    {"swish", [](double x) { return x * sigma(x); }, 99, 99},
    {"mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }, 99, 99},
    {"hard_mish", [](double x) { return x > 0    ? x
                                        : x > -2 ? x * x / 2 + x
                                                 : 0; }, 0, -2},
    {"gelu", [](double x) { return 0.5 * x * (1 + std::tanh(0.797885 * x + 0.035677 * x * x * x)); }, 99, 99},
};

math::Activation find(const char* name) { return math::activation_names().at(name); }

// From -30 to 30, as long as no multiple of a vector.
std::vector<float> inputs() {
  std::vector<float> x;
  for (int i = -1201; i <= 1201; ++i) x.push_back(static_cast<float>(i) * 0.025f);
  return x;
}

TEST(ActivationMath, RowsAgreeWithTheFormulas) {
  for (const Example& example : kExamples) {
    const math::Activation activation = find(example.name);
    const std::vector<float> x = inputs();
    std::vector<float> y = x, delta(x.size(), 2.0f);
    cpu::row_activation(y.data(), y.size(), activation);
    cpu::row_activation_gradient(math::gradient_reads_input(activation) ? x.data() : y.data(), x.size(), activation,
                                 delta.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double at = x[i], h = 1e-5, expected = example.value(at);
      EXPECT_NEAR(y[i], expected, 2e-6 * (std::fabs(expected) + 0.1)) << example.name << " of " << at;
      EXPECT_EQ(std::isnan(math::activate(x[i], activation)), false);
      EXPECT_NEAR(math::activate(x[i], activation), expected, 2e-6 * (std::fabs(expected) + 0.1)) << example.name;
      if (std::fabs(at - example.kink) < 1e-3 || std::fabs(at - example.second_kink) < 1e-3) continue;
      const double slope = (example.value(at + h) - example.value(at - h)) / (2 * h);
      EXPECT_NEAR(delta[i], 2 * slope, 2e-6 * (std::fabs(slope) + 1)) << "gradient of " << example.name << " at " << at;
    }
  }
}

TEST(ActivationMath, FarOutValuesAreFiniteAndNanStaysNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Example& example : kExamples) {
    const math::Activation activation = find(example.name);
    for (const float far : {-1e4f, -100.0f, 100.0f, 1e4f}) {
      std::vector<float> y(35, far), delta(35, 1.0f);
      cpu::row_activation(y.data(), y.size(), activation);
      const std::vector<float> x(35, far);
      cpu::row_activation_gradient(math::gradient_reads_input(activation) ? x.data() : y.data(), x.size(), activation,
                                   delta.data());
      for (size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(y[i], example.value(far), 1e-5 * std::fabs(example.value(far)) + 1e-6) << example.name << far;
        EXPECT_TRUE(std::isfinite(delta[i])) << example.name << far;
      }
    }
    std::vector<float> y(35, nan);
    cpu::row_activation(y.data(), y.size(), activation);
    for (const float value : y) EXPECT_TRUE(std::isnan(value)) << example.name;
  }
}

}  // namespace
}  // namespace dng
