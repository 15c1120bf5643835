// The costs' maths shared by several lanes, as a warp of a GPU runs it (src/math/cost_row.h): threads stand for lanes
// here, and must come to what one lane does alone.
#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.h"
#include "layers/costs/confidence_penalty.h"
#include "layers/costs/distill.h"
#include "layers/costs/label_smoothing.h"
#include "layers/costs/softmax.h"
#include "layers/costs/tsd.h"

namespace dng {
namespace {

constexpr int kLanes = 4;

// What the lanes share.
class Crowd {
 public:
  void sync() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int round = round_;
    if (++here_ == kLanes) {
      here_ = 0;
      ++round_;
      all_.notify_all();
    } else {
      all_.wait(lock, [&] { return round_ != round; });
    }
  }
  double values[kLanes];
  int indices[kLanes];

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  int here_ = 0, round_ = 0;
};

class ThreadLanes {
 public:
  ThreadLanes(Crowd* crowd, int lane) : crowd_(crowd), lane_(lane) {}
  int first() const { return lane_; }
  int step() const { return kLanes; }
  double sum(double mine) const {
    return gather(mine, [](double a, double b) { return a + b; });
  }
  double max(double mine) const {
    return gather(mine, [](double a, double b) { return b > a ? b : a; });
  }
  int best(int index, double value) const {
    crowd_->indices[lane_] = index;
    crowd_->values[lane_] = value;
    sync();
    int winner = -1;
    double most = 0;
    for (int i = 0; i < kLanes; ++i) {
      const int other = crowd_->indices[i];
      const double others = crowd_->values[i];
      if (other < 0 || (winner >= 0 && (others < most || (others == most && other > winner)))) continue;
      winner = other;
      most = others;
    }
    sync();
    return winner;
  }
  void sync() const { crowd_->sync(); }

 private:
  template <class Fold>
  double gather(double mine, const Fold& fold) const {
    crowd_->values[lane_] = mine;
    sync();
    double all = crowd_->values[0];
    for (int i = 1; i < kLanes; ++i) all = fold(all, crowd_->values[i]);
    sync();
    return all;
  }
  Crowd* crowd_;
  int lane_;
};

struct Sample {
  explicit Sample(int classes, uint64_t seed) : z(classes), teacher(classes), log_f(classes), f(classes) {
    CounterRandom random(seed, Stream::kTest, 8, 0);
    double sum = 0;
    for (size_t j = 0; j < z.size(); ++j) {
      // Equal logits, too: of those the lower index counts.
      z[j] = std::round(random.uniform(-4, 4));
      sum += teacher[j] = random.uniform(0.01, 1);
    }
    for (double& p : teacher) p /= sum;
    label = static_cast<int>(random.below(static_cast<uint32_t>(classes)));
  }
  std::vector<double> z, teacher, log_f, f;
  int label = 0;
  double smoothing = 0;
  const LabelMix* mix = nullptr;
  const float* class_weights = nullptr;
};

template <class Formula, class Lanes>
double run(const Formula& formula, Sample* s, std::vector<double>* workspace, std::vector<unsigned char>* rank,
           std::vector<double>* gradient, const Lanes& lanes) {
  const int classes = static_cast<int>(s->z.size());
  math::log_softmax(classes, s->z.data(), s->log_f.data(), s->f.data(), lanes);
  const math::CostRow row{classes,           s->z.data(),  s->log_f.data(), s->f.data(),     s->label,
                          s->teacher.data(), s->smoothing, s->mix,          s->class_weights};
  return formula(row, 0.5, math::CostWorkspace{workspace->data(), rank->data()}, gradient->data(), lanes);
}

template <class Formula>
void expect_the_same(const Formula& formula) {
  for (const int classes : {2, 3, 4, 7, 10, 33}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const auto count = static_cast<size_t>(classes);
      Sample one(classes, seed), shared(classes, seed);
      one.smoothing = shared.smoothing = seed % 2 == 1 ? 0.2 : 0;
      const LabelMix mix = {{one.label, 0, classes - 1, 0}, {0.5, 0.25, 0.125, 0.125}};
      one.mix = shared.mix = seed >= 3 ? &mix : nullptr;
      std::vector<float> weights(count);
      for (size_t j = 0; j < count; ++j) weights[j] = 0.5f * static_cast<float>(j);
      one.class_weights = shared.class_weights = seed == 0 || seed == 3 ? weights.data() : nullptr;
      std::vector<double> workspace(3 * count), gradient(count), expected(count);
      std::vector<unsigned char> rank(count);
      const double loss = run(formula, &one, &workspace, &rank, &expected, math::OneLane());
      std::vector<double> losses(kLanes);
      Crowd crowd;
      std::vector<std::thread> threads;
      threads.reserve(kLanes);
      for (int lane = 0; lane < kLanes; ++lane) {
        threads.emplace_back([&, lane] {
          losses[static_cast<size_t>(lane)] =
              run(formula, &shared, &workspace, &rank, &gradient, ThreadLanes(&crowd, lane));
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (const double found : losses) EXPECT_NEAR(found, loss, 1e-12 * (1 + std::fabs(loss)));
      for (size_t j = 0; j < count; ++j) EXPECT_NEAR(gradient[j], expected[j], 1e-12) << j << " of " << classes;
    }
  }
}

TEST(CostLanes, CrossEntropy) { expect_the_same(layers::SoftmaxFormula{2}); }
TEST(CostLanes, TopScoreDifference) {
  expect_the_same(layers::TsdFormula{0.4, 0, 2, false});
  expect_the_same(layers::TsdFormula{0.4, 2, 2, true});
}
TEST(CostLanes, Distillation) {
  expect_the_same(layers::DistillFormula{0.6, 1});
  expect_the_same(layers::DistillFormula{0.6, 3});
}
TEST(CostLanes, LabelSmoothing) { expect_the_same(layers::LabelSmoothingFormula{0.1}); }
TEST(CostLanes, ConfidencePenalty) { expect_the_same(layers::ConfidencePenaltyFormula{0.2}); }

}  // namespace
}  // namespace dng
