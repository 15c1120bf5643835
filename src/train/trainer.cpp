#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/group.h"
#include "base/share.h"
#include "base/text.h"
#include "network/weights.h"
#include "train/log.h"
#include "train/setup.h"
#include "train/steps.h"
#include "train/validation.h"

namespace dng::train {
namespace {

// Seconds of updates between two looks at the clock, files and signals, on a GPU.
constexpr double kMaxRunSeconds = 0.2;

class Trainer {
 public:
  Trainer(Setup* setup, TrainingState state)
      : setup_(*setup), ranks_(setup->ranks), state_(std::move(state)), first_(state_.iteration) {}

  int run();

 private:
  std::unique_ptr<Steps> make_steps();
  bool make_updates(Steps* steps, Log* log);
  int64_t next_count() const;
  void count_update(const StepResult& result);
  void end_epoch();
  bool validates(int64_t epoch) const {
    return setup_.valid && (epoch % setup_.data.valid_every == 0 || state_.iteration >= iterations());
  }
  eval::Accuracy validate();
  void save_weights(const char* end) const;
  void save() const;
  int stop(int signal) const;
  void finish(const Steps& steps, const Log& log) const;
  void write_profile_if_wanted() const;
  [[noreturn]] void fail_not_finite() const;
  // `own`: of this process.
  void check_loss(double loss, double own) const;
  // What all processes do next.
  struct Next {
    int signal, saves;
  };
  Next agree_on(bool saves) const;

  int64_t iterations() const { return setup_.schedule->iterations(); }
  int64_t epochs_done() const { return state_.iteration * setup_.config.batch / setup_.train->size(); }

  Setup& setup_;
  const Ranks& ranks_;
  TrainingState state_;
  int64_t first_;  // iteration of this run
  Profile profile_;
  int64_t wished_ = 1;  // updates in one call of Steps::run
  std::vector<StepResult> results_;
};

int Trainer::run() {
  print_start(setup_);
  const std::unique_ptr<Steps> steps = make_steps();
  Log log(*setup_.schedule, setup_.config.batch, first_);
  double saved = now_seconds();
  try {
    if (state_.pending_epoch > 0) end_epoch();
    while (state_.iteration < iterations()) {
      const bool epoch_done = make_updates(steps.get(), &log);
      const Next next = agree_on(now_seconds() - saved >= setup_.settings.state_seconds);
      if (next.signal != 0) throw Interrupted("", next.signal);
      const bool due = next.saves != 0;
      if (due) save();
      if (epoch_done) {
        log.clear_bar();
        end_epoch();
        save();
      }
      if (due || epoch_done) saved = now_seconds();
    }
  } catch (const Interrupted& stopped) {
    log.clear_bar();
    return stop(stopped.signal());
  }
  log.clear_bar();
  finish(*steps, log);
  return 0;
}

std::unique_ptr<Steps> Trainer::make_steps() {
  StepsSettings settings{*setup_.train, setup_.network.get(), setup_.teacher.get(), *setup_.schedule};
  settings.seed = setup_.settings.seed;
  settings.threads = setup_.threads;
  settings.first = first_;
  settings.started = state_.started;
  settings.statistics_from = state_.statistics_from;
  settings.profile = &profile_;
  settings.ranks = &ranks_;
  settings.profiles_layers = !setup_.settings.profile.empty();
  return train::make_steps(settings);
}

// Returns whether they end an epoch.
bool Trainer::make_updates(Steps* steps, Log* log) {
  const double before = now_seconds();
  const int64_t epochs_before = epochs_done(), count = next_count();
  results_.clear();
  steps->run(state_.iteration, count, &results_);
  const double elapsed = now_seconds() - before;
  if (elapsed < kMaxRunSeconds / 2 && count == wished_) wished_ = std::min(2 * wished_, steps->max_count());
  if (elapsed > kMaxRunSeconds) wished_ = std::max<int64_t>(1, wished_ / 2);
  state_.epoch_seconds += elapsed;
  profile_.seconds += elapsed;
  profile_.steps += count;
  for (const StepResult& result : results_) {
    count_update(result);
    log->update(state_, result.loss / setup_.config.batch, elapsed / static_cast<double>(count));
  }
  log->show_bar(state_);
  const int64_t epochs = epochs_done();
  if (epochs == epochs_before && state_.iteration < iterations()) return false;
  state_.pending_epoch = epochs > epochs_before ? epochs : epochs + 1;
  return true;
}

// Updates until the next look at the clock, files and signals: to the end of the epoch at most.
int64_t Trainer::next_count() const {
  const int64_t size = setup_.train->size(), batch = setup_.config.batch;
  const int64_t end = ((epochs_done() + 1) * size + batch - 1) / batch;
  return std::max<int64_t>(1, std::min({wished_, end - state_.iteration, iterations() - state_.iteration}));
}

void Trainer::count_update(const StepResult& result) {
  check_loss(result.loss, ranks_.size() == 1 ? result.loss : result.own_loss);
  state_.epoch_loss += result.loss;
  state_.epoch_images += result.images;
  state_.epoch_correct += result.correct;
  ++state_.iteration;
  const double loss = result.loss / setup_.config.batch;
  state_.average_loss = state_.average_loss < 0 ? loss : 0.9 * state_.average_loss + 0.1 * loss;
}

void Trainer::end_epoch() {
  const auto images = static_cast<double>(state_.epoch_images);
  EpochResult result;
  result.epoch = state_.pending_epoch;
  result.iteration = state_.iteration;
  result.loss = state_.epoch_loss / images;
  result.top1 = static_cast<double>(state_.epoch_correct) / images;
  if (validates(result.epoch)) result.valid = validate();
  result.rate = setup_.schedule->rate(state_.iteration - 1);
  result.seconds = state_.epoch_seconds;
  state_.rows.push_back(result.csv_row());
  std::printf("%s\n", result.line().c_str());
  std::fflush(stdout);
  state_.epoch_loss = state_.epoch_seconds = 0;
  state_.epoch_images = state_.epoch_correct = state_.pending_epoch = 0;
  if (ranks_.first()) write_csv(setup_.base + ".csv", state_.rows);
}

eval::Accuracy Trainer::validate() {
  eval::Accuracy accuracy =
      train::validate(setup_.network.get(), *setup_.valid, setup_.data.top, setup_.threads, ranks_);
  if (accuracy.not_finite > 0 && ranks_.first()) {
    show_error(format("epoch %lld: validation: %s; training goes on", static_cast<long long>(state_.pending_epoch),
                      accuracy.not_finite_text().c_str())
                   .c_str());
  }
  if (accuracy.top1() > state_.best_top1) {
    state_.best_top1 = accuracy.top1();
    state_.best_epoch = state_.pending_epoch;
    save_weights("_best.weights");
  }
  return accuracy;
}

void Trainer::save_weights(const char* end) const {
  if (!ranks_.first()) return;
  const int64_t seen = state_.iteration * setup_.config.batch;
  network::save_weights(setup_.base + end, *setup_.network, static_cast<uint64_t>(seen));
}

void Trainer::save() const {
  if (!setup_.network->parameters_finite()) check_loss(std::nan(""), std::nan(""));
  save_weights("_last.weights");
  if (ranks_.first()) save_state(setup_.base + ".state", state_, *setup_.network);
}

int Trainer::stop(int signal) const {
  save();
  write_profile_if_wanted();
  const std::string all = setup_.schedule->endless() ? "" : format(" of %lld", static_cast<long long>(iterations()));
  std::printf("stopped at iteration %lld%s; go on with -resume\n", static_cast<long long>(state_.iteration),
              all.c_str());
  return 128 + signal;
}

void Trainer::finish(const Steps& steps, const Log& log) const {
  write_profile_if_wanted();
  save_weights("_final.weights");
  const char* base = setup_.base.c_str();
  std::printf("saved %s_final.weights", base);
  if (setup_.valid) {
    std::printf(", best top1 %.4f in epoch %lld", state_.best_top1, static_cast<long long>(state_.best_epoch));
  }
  std::printf("; waited %.1f %% of the time for data\n", 100 * steps.waited() / std::max(1e-9, log.seconds()));
  const std::string script = "scripts/plot_training.py";
  const std::string command = file_exists(script) ? script : in_share(script);
  if (!command.empty()) std::printf("for a chart: %s %s.csv -o %s.png\n", command.c_str(), base, base);
}

void Trainer::write_profile_if_wanted() const {
  if (ranks_.first() && !setup_.settings.profile.empty())
    write_profile(setup_.settings.profile, profile_, *setup_.network);
}

Trainer::Next Trainer::agree_on(bool saves) const {
  const std::vector<Next> all = ranks_.all().gathered(Next{interrupted(), saves ? 1 : 0});
  Next next = all[0];
  for (const Next& other : all) next.signal = std::max(next.signal, other.signal);
  return next;
}

void Trainer::check_loss(double loss, double own) const {
  if (std::isfinite(loss)) return;
  ranks_.together([&] {
    if (!std::isfinite(own)) fail_not_finite();
  });
}

void Trainer::fail_not_finite() const {
  const std::string layer = setup_.network->first_non_finite();
  const std::string cost = setup_.teacher ? "the cost, or in " + setup_.teacher->description() : "the cost";
  fail(
      "%s: iteration %lld: the loss is not finite (first in %s); lower learning_rate=%g, add burn_in= or batch norm; "
      "the files in %s are of the last good state",
      setup_.settings.cfg.c_str(), static_cast<long long>(state_.iteration + 1),
      layer.empty() ? cost.c_str() : layer.c_str(), setup_.config.net.real("learning_rate"),
      setup_.data.backup.c_str());
}

int run(const TrainSettings& settings, Ranks* ranks) {
  std::unique_ptr<Setup> setup;
  ranks->together([&] { setup = std::make_unique<Setup>(settings, ranks); });
  ranks->connect();
  if (ranks->size() > 1) ranks->require_same(facts_of(*setup));
  TrainingState state;
  ranks->together([&] { state = start_state(setup.get()); });
  return Trainer(setup.get(), of_first_rank(std::move(state), setup.get())).run();
}

}  // namespace

int train(const TrainSettings& settings) {
  Ranks ranks(launched_group());
  if (ranks.size() == 1) return run(settings, &ranks);
  if (!ranks.first()) {
    Progress::silence();
    if (std::freopen("/dev/null", "w", stdout) == nullptr) fail("/dev/null cannot be opened");
  }
  int code = 0;
  try {
    return run(settings, &ranks);
  } catch (const SilentError& error) {
    return static_cast<int>(error.code);
  } catch (const Error& error) {
    std::fflush(stdout);
    show_error(error);
    code = static_cast<int>(error.code());
  } catch (const std::exception& error) {
    show_error(error.what());
    code = 1;
  }
  // The others wait for what this rank will never send.
  if (!ranks.agreed()) ranks.all().abort(code);
  return code;
}

}  // namespace dng::train
