#include "train/schedule.h"

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/random.h"

namespace dng::train {
namespace {

constexpr double kPi = 3.14159265358979323846;

}  // namespace

Schedule::Schedule(const cfg::Options& net, int64_t samples, int batch, uint64_t seed)
    : batch_(batch),
      samples_(static_cast<double>(samples)),
      seed_(seed),
      base_(net.real("learning_rate")),
      power_(net.real("power")),
      gamma_(net.real("gamma")),
      scale_(net.real("scale")),
      step_(net.has("step") ? net.integer("step") : 1),
      burn_in_(net.integer("burn_in")),
      least_(net.real("learning_rate_min")),
      cycle_factor_(net.real("sgdr_mult")) {
  static const std::map<std::string, Policy> policies = {
      {"constant", Policy::kConstant}, {"step", Policy::kStep},     {"steps", Policy::kSteps},
      {"exp", Policy::kExp},           {"poly", Policy::kPoly},     {"sigmoid", Policy::kSigmoid},
      {"cosine", Policy::kCosine},     {"random", Policy::kRandom}, {"sgdr", Policy::kSgdr}};
  policy_ = policies.at(net.text("policy"));
  const double batches_per_epoch = samples_ / batch;
  if (net.given("epochs")) {
    iterations_ = static_cast<int64_t>(std::ceil(net.real("epochs") * batches_per_epoch - 1e-9));
  } else {
    const int batches = net.given("max_batches") ? net.integer("max_batches") : 0;
    iterations_ = batches > 0 ? batches : kEndless;
  }
  const bool needs_end =
      policy_ == Policy::kPoly || policy_ == Policy::kCosine || (policy_ == Policy::kSgdr && !net.given("sgdr_cycle"));
  if (endless() && needs_end) {
    fail("%s: the rate depends on the length of the training; say how long to train: max_batches= or epochs=",
         net.where("policy").c_str());
  }
  cycle_ = net.has("sgdr_cycle") ? net.integer("sgdr_cycle") : static_cast<double>(iterations_);
  if (policy_ == Policy::kSteps) {
    scales_ = net.reals("scales");
    steps_ = net.reals(net.given("epoch_steps") ? "epoch_steps" : "steps");
    if (net.given("epoch_steps")) {
      for (double& step : steps_) step *= batches_per_epoch;
    }
  }
}

double Schedule::rate(int64_t iteration) const {
  const auto t = static_cast<double>(iteration + 1);
  const auto all = static_cast<double>(iterations_);
  if (t < burn_in_) return base_ * std::pow(t / burn_in_, power_);
  switch (policy_) {
    case Policy::kConstant:
      return base_;
    case Policy::kStep:
      return base_ * std::pow(scale_, std::floor(t / step_));
    case Policy::kSteps: {
      double rate = base_;
      for (size_t i = 0; i < steps_.size() && steps_[i] <= t; ++i) rate *= scales_[i];
      return rate;
    }
    case Policy::kExp:
      return base_ * std::pow(gamma_, t);
    case Policy::kPoly:
      return base_ * std::pow(1 - t / all, power_);
    case Policy::kSigmoid:
      return base_ / (1 + std::exp(gamma_ * (t - step_)));
    case Policy::kCosine:
      return base_ * 0.5 * (1 + std::cos(kPi * t / all));
    case Policy::kRandom: {
      CounterRandom random(seed_, Stream::kRate, static_cast<uint64_t>(iteration), 0);
      return base_ * std::pow(random.uniform(), power_);
    }
    case Policy::kSgdr: {
      double start = 0, cycle = cycle_;
      while (start + cycle < t) {
        start += cycle;
        cycle *= cycle_factor_;
      }
      return least_ + (base_ - least_) * 0.5 * (1 + std::cos(kPi * (t - start) / cycle));
    }
  }
  return base_;
}

}  // namespace dng::train
