#include "train/steps.h"

#include <cmath>

#include "base/progress.h"
#include "eval/accuracy.h"
#include "train/optimizer.h"

namespace dng::train {
namespace {

class CpuSteps final : public Steps {
 public:
  explicit CpuSteps(const StepsSettings& s)
      : s_(s),
        config_(s.network->config()),
        optimizer_(make_optimizer(s.network, s.first - s.started)),
        stream_(s.data, config_.augmentation(), config_.input, s.seed, config_.mini_batch, s.first * config_.batch,
                s.schedule.iterations() * config_.batch, s.threads) {}

  int64_t max_count() const override { return 1; }
  double waited() const override { return stream_.waited(); }

  void run(int64_t first, int64_t count, std::vector<StepResult>* results) override {
    for (int64_t i = first; i < first + count; ++i) {
      results->push_back(update(i));
      if (!std::isfinite(results->back().loss)) return;
    }
  }

 private:
  StepResult update(int64_t iteration) {
    optimizer_->begin();
    StepResult result;
    for (int part = 0; part < config_.subdivisions; ++part) {
      add_gradient(iteration, part, &result);
      if (!std::isfinite(result.loss)) return result;
    }
    const double before = now_seconds();
    optimizer_->step(s_.schedule.rate(iteration), config_.batch);
    s_.profile->update += now_seconds() - before;
    return result;
  }

  // Of the next mini-batch. No backward pass where the loss is not finite.
  void add_gradient(int64_t iteration, int part, StepResult* result) {
    double before = now_seconds();
    const data::Batch& batch = stream_.next();
    s_.profile->data += now_seconds() - before;
    graph::Pass pass;
    pass.training = true;
    pass.input = batch.images.data();
    pass.labels = batch.labels.data();
    if (!batch.mixes.empty()) pass.mixes = batch.mixes.data();
    pass.count = batch.count;
    pass.seed = s_.seed;
    pass.first_position = batch.position;
    pass.steps = iteration * config_.subdivisions + part;
    pass.epoch = s_.schedule.epochs_at(iteration);
    pass.progress = s_.schedule.progress_at(iteration);
    before = now_seconds();
    if (s_.teacher != nullptr) pass.teacher = s_.teacher->probabilities(batch);
    s_.profile->teacher += now_seconds() - before;
    s_.network->forward(&pass);
    result->loss += pass.loss;
    if (!std::isfinite(pass.loss)) return;
    const float* probabilities = s_.network->probabilities();
    for (int b = 0; b < batch.count; ++b, probabilities += config_.classes()) {
      const int label = batch.labels[static_cast<size_t>(b)];
      result->correct += eval::rank_of(probabilities, config_.classes(), label) == 0 ? 1 : 0;
    }
    result->images += batch.count;
    s_.network->backward(&pass);
  }

  StepsSettings s_;
  const graph::NetworkConfig& config_;
  std::unique_ptr<Optimizer> optimizer_;
  data::TrainingStream stream_;
};

}  // namespace

std::unique_ptr<Steps> make_steps(const StepsSettings& settings) {
  if (settings.network->device() != nullptr) return make_gpu_steps(settings);
  return std::make_unique<CpuSteps>(settings);
}

}  // namespace dng::train
