// The learning rate against Darknet's formulas, written down here a second time from its get_current_rate.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "cfg/cfg_file.h"
#include "graph/network_config.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;

cfg::Options net_of(const std::string& lines) {
  cfg::Translations strict(cfg::Reading::kStrict);
  return {"test.cfg", cfg::parse_cfg("test.cfg", "[net]\n" + lines, &strict).sections[0], graph::net_options()};
}

train::Schedule schedule_of(const std::string& lines, int64_t samples = 1000, int batch = 10) {
  return {net_of(lines), samples, batch};
}

// `darknet` gets Darknet's batch_num, which counts from 1 when the first update is made.
void expect_rates(const std::string& lines, int iterations, const std::function<double(int)>& darknet) {
  const train::Schedule schedule = schedule_of("max_batches=" + std::to_string(iterations) + "\n" + lines);
  ASSERT_EQ(schedule.iterations(), iterations);
  for (int i = 0; i < iterations; ++i) {
    const double wanted = darknet(i + 1);
    ASSERT_NEAR(schedule.rate(i), wanted, 1e-12 * std::fabs(wanted)) << lines << "iteration " << i;
  }
}

TEST(Schedule, ConstantIsTheDefault) {
  expect_rates("learning_rate=.25\n", 50, [](int) { return 0.25; });
  expect_rates("", 5, [](int) { return 0.001; });
}

TEST(Schedule, StepFallsEveryStep) {
  expect_rates("learning_rate=.2\npolicy=step\nstep=7\nscale=.5\n", 50,
               [](int t) { return 0.2 * std::pow(0.5, t / 7); });
}

TEST(Schedule, StepsFallAtTheBatchThatIsNamed) {
  const auto darknet = [](int t) {
    const std::vector<int> steps = {10, 20, 45};
    const std::vector<double> scales = {0.1, 0.2, 3};
    double rate = 0.4;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i] > t) return rate;
      rate *= scales[i];
    }
    return rate;
  };
  expect_rates("learning_rate=.4\npolicy=steps\nsteps=10,20,45\nscales=.1,.2,3\n", 60, darknet);
  const train::Schedule schedule =
      schedule_of("max_batches=60\nlearning_rate=.4\npolicy=steps\nsteps=10,20,45\nscales=.1,.2,3\n");
  EXPECT_DOUBLE_EQ(schedule.rate(8), 0.4);
  EXPECT_DOUBLE_EQ(schedule.rate(9), 0.04);
}

TEST(Schedule, ExponentialPolynomialSigmoidAndCosine) {
  expect_rates("learning_rate=.3\npolicy=exp\ngamma=.98\n", 60, [](int t) { return 0.3 * std::pow(0.98, t); });
  expect_rates("learning_rate=.3\npolicy=poly\npower=2\n", 60, [](int t) { return 0.3 * std::pow(1 - t / 60.0, 2); });
  expect_rates("learning_rate=.3\npolicy=poly\n", 60, [](int t) { return 0.3 * std::pow(1 - t / 60.0, 4); });
  expect_rates("learning_rate=.3\npolicy=sigmoid\ngamma=.2\nstep=30\n", 60,
               [](int t) { return 0.3 * (1. / (1. + std::exp(0.2 * (t - 30)))); });
  expect_rates("learning_rate=.3\npolicy=cosine\n", 60,
               [](int t) { return 0.15 * (1 + std::cos(std::acos(-1.0) * t / 60)); });
}

// Printed by AlexeyAB's get_current_rate, to four digits.
TEST(Schedule, CyclesAreAlexeyABs) {
  const std::vector<double> printed = {.0933,  .075,   .05001, .02501, .006708, 1e-5,    .0983,   .0933, .08536, .075,
                                       .06294, .05001, .03707, .02501, .01465,  .006708, .001714, 1e-05, .09957, .0983};
  const train::Schedule schedule =
      schedule_of("max_batches=20\nlearning_rate=.1\npolicy=sgdr\nsgdr_cycle=6\nsgdr_mult=2\nlearning_rate_min=1e-5\n");
  for (size_t i = 0; i < printed.size(); ++i) {
    EXPECT_NEAR(schedule.rate(static_cast<int64_t>(i)), printed[i], 6e-4 * printed[i]) << i;
  }
  // Without a cycle's length there is one, of max_batches.
  const train::Schedule one = schedule_of("max_batches=20\nlearning_rate=.1\npolicy=sgdr\n");
  EXPECT_NEAR(one.rate(9), (.1 + 1e-5) / 2, 1e-12);
  EXPECT_NEAR(one.rate(19), 1e-5, 1e-12);
}

TEST(Schedule, WithoutALengthThereIsNoEnd) {
  for (const char* lines : {"", "max_batches=0\n"}) {
    const train::Schedule schedule =
        schedule_of(std::string(lines) + "learning_rate=.5\npolicy=steps\nsteps=7\nscales=.1\n");
    EXPECT_TRUE(schedule.endless());
    EXPECT_GT(schedule.iterations(), int64_t{1} << 32);
    EXPECT_DOUBLE_EQ(schedule.rate(1000000), .05);
    for (const char* policy : {"poly", "cosine", "sgdr"}) {
      expect_error([&] { schedule_of(std::string(lines) + "policy=" + policy + "\n"); },
                   {policy, "say how long to train"});
    }
    EXPECT_NO_THROW(schedule_of(std::string(lines) + "policy=sgdr\nsgdr_cycle=5\n"));
  }
  EXPECT_FALSE(schedule_of("max_batches=1\n").endless());
}

TEST(Schedule, RandomRatesDependOnSeedAndBatchAlone) {
  const cfg::Options net = net_of("max_batches=2000\nlearning_rate=.2\npolicy=random\npower=2\n");
  const train::Schedule schedule(net, 1000, 10, 1), same(net, 1000, 10, 1), other(net, 1000, 10, 2);
  double sum = 0;
  int equal = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    const double rate = schedule.rate(i);
    EXPECT_EQ(rate, same.rate(i));
    EXPECT_GE(rate, 0);
    EXPECT_LE(rate, .2);
    equal += rate == other.rate(i) ? 1 : 0;
    sum += rate;
  }
  EXPECT_EQ(equal, 0);
  // The mean of u^2 is 1/3; its standard deviation 0.298, so that of the mean of 2000 is 0.0067.
  EXPECT_NEAR(sum / 2000, .2 / 3, .2 * 4 * .0067);
}

TEST(Schedule, BurnInRisesAndThenThePolicyHolds) {
  expect_rates("learning_rate=.5\nburn_in=20\n", 40, [](int t) { return t < 20 ? 0.5 * std::pow(t / 20.0, 4) : 0.5; });
  expect_rates("learning_rate=.5\nburn_in=20\npower=1\npolicy=steps\nsteps=10,30\nscales=.1,.1\n", 40, [](int t) {
    if (t < 20) return 0.5 * t / 20;
    return t < 30 ? 0.05 : 0.005;
  });
}

TEST(Schedule, EpochsBecomeBatchesRoundedUp) {
  EXPECT_EQ(schedule_of("epochs=3\n", 1000, 10).iterations(), 300);
  EXPECT_EQ(schedule_of("epochs=3\n", 1001, 10).iterations(), 301);
  EXPECT_EQ(schedule_of("epochs=0.5\n", 1000, 10).iterations(), 50);
  EXPECT_EQ(schedule_of("epochs=1\n", 7, 10).iterations(), 1);
  // 0.1 * 1000 / 10 is not exact in binary, and no batch may be added for that.
  EXPECT_EQ(schedule_of("epochs=0.1\n", 1000, 10).iterations(), 10);
  EXPECT_EQ(schedule_of("epochs=0.7\n", 1000, 10).iterations(), 70);
  EXPECT_EQ(schedule_of("max_batches=12345\n", 1000, 10).iterations(), 12345);
}

// The paper's recipe for CIFAR100: a tenth at epochs 81 and 122 of 164, with 390.625 batches an epoch.
TEST(Schedule, EpochStepsFallWhenTheEpochIsOver) {
  const train::Schedule schedule =
      schedule_of("learning_rate=.1\npolicy=steps\nepochs=164\nepoch_steps=81,122\nscales=.1,.1\n", 50000, 128);
  EXPECT_EQ(schedule.iterations(), 64063);
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.1);
  EXPECT_DOUBLE_EQ(schedule.rate(31639), 0.1);  // batch 31640 of 31640.625
  EXPECT_DOUBLE_EQ(schedule.rate(31640), 0.01);
  EXPECT_DOUBLE_EQ(schedule.rate(47655), 0.01);  // batch 47656 of 47656.25
  EXPECT_DOUBLE_EQ(schedule.rate(47656), 0.001);
  EXPECT_DOUBLE_EQ(schedule.rate(64062), 0.001);
}

}  // namespace
}  // namespace dng
