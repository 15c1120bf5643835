#include "train/steps.h"

#include <cmath>

#include "base/progress.h"
#include "eval/accuracy.h"
#include "train/gradient_exchange.h"
#include "train/optimizer.h"

namespace dng::train {
namespace {

class CpuSteps final : public Steps {
 public:
  explicit CpuSteps(const StepsSettings& s)
      : s_(s),
        config_(s.network->config()),
        ranks_(s.ranks != nullptr ? *s.ranks : alone_),
        optimizer_(make_optimizer(s.network, s.first - s.started)),
        stream_(s.data, config_.augmentation(), config_.input, s.seed, config_.mini_batch,
                s.first * config_.batch + ranks_.part() * whole() + ranks_.place() * config_.mini_batch,
                s.schedule.iterations() * config_.batch, s.threads, ranks_.parts() * whole()) {
    if (ranks_.size() > 1) exchange_ = std::make_unique<GradientExchange>(s.network, ranks_);
  }

  int64_t max_count() const override { return 1; }
  double waited() const override { return stream_.waited(); }

  void run(int64_t first, int64_t count, std::vector<StepResult>* results) override {
    for (int64_t i = first; i < first + count; ++i) {
      results->push_back(update(i));
      if (!std::isfinite(results->back().loss)) return;
    }
  }

 private:
  // Images of a mini-batch on all processes that share it.
  int64_t whole() const { return int64_t{config_.mini_batch} * config_.ranks; }

  StepResult update(int64_t iteration) {
    optimizer_->begin();
    if (exchange_) exchange_->begin();
    StepResult result;
    for (int part = ranks_.part(); part < config_.subdivisions; part += ranks_.parts()) {
      add_gradient(iteration, part, &result);
      if (!std::isfinite(result.loss)) return result;
    }
    if (exchange_) exchange_->finish();
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
    pass.steps = (iteration - s_.statistics_from) * config_.subdivisions + part;
    pass.epoch = s_.schedule.epochs_at(iteration);
    pass.progress = s_.schedule.progress_at(iteration);
    before = now_seconds();
    if (s_.teacher != nullptr) pass.teacher = finite_probabilities(s_.teacher, batch, s_.data, config_.classes());
    s_.profile->teacher += now_seconds() - before;
    s_.network->forward(&pass);
    Counts counts{pass.loss, batch.count, 0};
    const float* probabilities = s_.network->probabilities();
    for (int b = 0; b < batch.count; ++b, probabilities += config_.classes()) {
      const int label = batch.labels[static_cast<size_t>(b)];
      counts.correct += eval::rank_of(probabilities, config_.classes(), label) == 0 ? 1 : 0;
    }
    count(counts, result);
    if (!std::isfinite(result->loss)) return;
    s_.network->backward(&pass);
    if (exchange_) exchange_->add();
    roll_statistics(pass.steps);
  }

  // Of a pass.
  struct Counts {
    double loss;
    int64_t images, correct;
  };
  // Adds those of all processes.
  void count(const Counts& mine, StepResult* result) const {
    std::vector<Counts> all = ranks_.all().gathered(mine);
    const auto at = [&](int rank) -> Counts& { return all[static_cast<size_t>(rank)]; };
    for (int part = 0; part < ranks_.parts(); ++part) {
      const int first = ranks_.first_of(part);
      for_sum_tree(
          ranks_.sharing(),
          [&](int to, int from) {
            at(to).loss += at(from).loss;
            at(to).images += at(from).images;
            at(to).correct += at(from).correct;
          },
          first);
      result->loss += at(first).loss;
      result->images += at(first).images;
      result->correct += at(first).correct;
    }
    result->own_loss += mine.loss;
  }

  // Where processes have different mini-batches, in the order of these. `steps`: of this process's.
  void roll_statistics(int64_t steps) const {
    if (ranks_.parts() == 1) return;
    std::vector<float> mine;
    for (const cpu::BatchNorm* layer : ranks_.statistics().list) {
      const std::vector<float> one = layer->batch_statistics();
      mine.insert(mine.end(), one.begin(), one.end());
    }
    std::vector<float> all(mine.size() * static_cast<size_t>(ranks_.size()));
    ranks_.all().gather(mine.data(), all.data(), mine.size() * sizeof(float));
    for (int part = 0; part < ranks_.parts(); ++part) {
      const float* statistics = all.data() + static_cast<size_t>(ranks_.first_of(part)) * mine.size();
      for (cpu::BatchNorm* layer : ranks_.statistics().list) {
        layer->roll(statistics, steps - ranks_.part() + part);
        statistics += layer->batch_statistics().size();
      }
    }
  }

  StepsSettings s_;
  const graph::NetworkConfig& config_;
  const Ranks alone_{dng::alone()};
  const Ranks& ranks_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<GradientExchange> exchange_;  // null: one process
  data::TrainingStream stream_;
};

}  // namespace

std::unique_ptr<Steps> make_steps(const StepsSettings& settings) {
  if (settings.network->device() != nullptr) return make_gpu_steps(settings);
  return std::make_unique<CpuSteps>(settings);
}

}  // namespace dng::train
