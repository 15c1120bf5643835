#include "train/trainer.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/instructions.h"
#include "base/progress.h"
#include "base/text.h"
#include "eval/accuracy.h"
#include "gpu/gpu.h"
#include "layers/registry.h"
#include "network/weights.h"
#include "train/chart.h"
#include "train/profile.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/steps.h"
#include "train/targets.h"
#include "train/teacher.h"

namespace dng::train {
namespace {

// Seconds of updates between two looks at the clock, files and signals, on a GPU.
constexpr double kLongestRun = 0.2;

// Everything of the layers that decides what is computed, cost options included.
std::string network_text(const graph::NetworkConfig& config) {
  std::string text;
  for (const graph::LayerConfig& layer : config.layers) {
    text += "[" + layer.op->section + "]";
    for (const cfg::CfgEntry& entry : layer.options.section().entries) {
      // Where a teacher's outputs come from does not change them: a run may go on with a cache.
      if (entry.key == "targets" || entry.key == "teacher" || entry.key == "teacher_weights") continue;
      text += entry.key + "=" + entry.value + ";";
    }
  }
  return text;
}

std::string hex_hash(const std::string& text) {
  Hash hash;
  hash.add(text);
  return hash.hex();
}

class Trainer {
 public:
  explicit Trainer(const TrainSettings& settings)
      : settings_(settings),
        data_(data::read_data_file(settings.data)),
        config_(layers::read_network_config(settings.cfg)),
        threads_(settings.threads > 0 ? settings.threads
                                      : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
    check_data();
    omp_set_num_threads(threads_);
    train_ = data::open_dataset(data_, data_.train, "train");
    if (!data_.valid.empty()) valid_ = data::open_dataset(data_, data_.valid, "valid");
    schedule_ = std::make_unique<Schedule>(config_.net, train_->size(), config_.batch);
    require_writable_folder(data_.backup, "backup=");
    if (!settings.profile.empty()) require_writable_file(settings.profile, "the -profile file");
    base_ = data_.backup + "/" + base_name(settings.cfg);
    network_ = std::make_unique<network::Network>(config_, network::NetworkSettings{settings.gpu, settings.verbose});
    open_teacher();
    start();
  }

  int run();

 private:
  void check_data() const;
  void open_teacher();
  void start();
  int64_t next_count(int64_t wished) const;
  void count_update(const StepResult& result);
  void end_epoch();
  void save();
  int stop(int signal);
  void check_loss(double loss) const;
  void log_iteration(double loss, double seconds);
  void show_bar(double loss);
  double epochs_at(int64_t iteration) const {
    return static_cast<double>(iteration) * config_.batch / static_cast<double>(train_->size());
  }

  TrainSettings settings_;
  data::DataFile data_;
  graph::NetworkConfig config_;
  int threads_;
  std::unique_ptr<data::Dataset> train_, valid_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<network::Network> network_;
  std::unique_ptr<TeacherSource> teacher_;
  TrainingState state_;
  Profile profile_;
  std::string base_;
  double started_ = 0;
  int64_t first_iteration_ = 0;
};

void Trainer::check_data() const {
  config_.require_image_channels();
  if (data_.train.empty()) fail("%s: train= is missing; name a packed set or a list of images", data_.path.c_str());
  if (data_.backup.empty()) {
    fail("%s: backup= is missing; name the folder for weights, state and log", data_.path.c_str());
  }
  config_.require_classes(data_.classes, data_.path);
}

void Trainer::open_teacher() {
  const graph::LayerConfig& cost = config_.cost();
  if (cost.op->section != "distill") return;
  const cfg::Options& o = cost.options;
  const int64_t positions = schedule_->iterations() * config_.batch;
  if (o.given("targets")) {
    teacher_ = std::make_unique<CachedTeacher>(o, make_targets_key(config_, *train_, settings_.seed), positions,
                                               config_.classes());
    return;
  }
  o.require("teacher", "name the teacher's cfg and its teacher_weights=, or cached targets=");
  o.require("teacher_weights", "name the weights of the teacher");
  teacher_ = std::make_unique<LiveTeacher>(o, config_, settings_.gpu);
}

void Trainer::start() {
  state_.identity = {{"batch", std::to_string(config_.batch)},
                     {"subdivisions", std::to_string(config_.subdivisions)},
                     {"seed", std::to_string(settings_.seed)},
                     {"host", host::traits().id},
                     {"data", format("%016llx", static_cast<unsigned long long>(train_->hash()))},
                     {"augmentation", config_.augmentation().training_text()},
                     {"network", hex_hash(network_text(config_))}};
  if (teacher_) state_.identity["teacher"] = teacher_->identity();
  if (settings_.gpu != nullptr) {
    state_.machine = {{"device", settings_.gpu->name()},
                      {"libraries", settings_.gpu->libraries()},
                      {"precision", config_.net.text("precision")}};
  } else {
    state_.machine = {
        {"device", "cpu"}, {"threads", std::to_string(threads_)}, {"instructions", text_of(instructions())}};
  }
  const std::string path = base_ + ".state";
  if (settings_.resume && file_exists(path)) {
    const std::string differences = load_state(path, &state_, network_.get());
    std::printf("resumed at iteration %lld\n", static_cast<long long>(state_.iteration));
    if (!differences.empty()) {
      std::printf("not bit for bit: %s; the run goes on, but its last bits may differ\n", differences.c_str());
    }
  } else {
    if (settings_.resume) std::printf("no state at %s: starting from the beginning\n", path.c_str());
    network_->initialize(settings_.seed);
    if (!settings_.weights.empty()) {
      int layers = 0;
      const uint64_t seen = network::load_weights(settings_.weights, network_.get(), network::Prefix::kAllow, &layers);
      if (layers < network_->size()) {
        std::printf("%s: weights of the first %d of %d layers; the others start fresh\n", settings_.weights.c_str(),
                    layers, network_->size());
      }
      if (!settings_.clear) state_.iteration = static_cast<int64_t>(seen) / config_.batch;
      if (state_.iteration >= schedule_->iterations()) {
        fail(
            "%s: these weights have seen %llu images, all of the %lld batches of %s; start over with -clear, or train "
            "longer",
            settings_.weights.c_str(), static_cast<unsigned long long>(seen),
            static_cast<long long>(schedule_->iterations()), settings_.cfg.c_str());
      }
    }
  }
  first_iteration_ = state_.iteration;
}

void Trainer::check_loss(double loss) const {
  if (std::isfinite(loss)) return;
  const std::string layer = network_->first_non_finite();
  fail(
      "%s: iteration %lld: the loss is not finite (first in %s); lower learning_rate=%g, add burn_in= or batch norm; "
      "the files in %s are of the last good state",
      settings_.cfg.c_str(), static_cast<long long>(state_.iteration + 1), layer.empty() ? "the cost" : layer.c_str(),
      config_.net.real("learning_rate"), data_.backup.c_str());
}

// Updates that may be made before the next look at the clock, files and signals: to the end of the epoch at most.
int64_t Trainer::next_count(int64_t wished) const {
  const int64_t size = train_->size(), batch = config_.batch;
  const int64_t epoch = state_.iteration * batch / size;
  const int64_t end = ((epoch + 1) * size + batch - 1) / batch;
  return std::max<int64_t>(1, std::min({wished, end - state_.iteration, schedule_->iterations() - state_.iteration}));
}

void Trainer::count_update(const StepResult& result) {
  check_loss(result.loss);
  state_.epoch_loss += result.loss;
  state_.epoch_images += result.images;
  state_.epoch_correct += result.correct;
  ++state_.iteration;
  const double loss = result.loss / config_.batch;
  state_.average_loss = state_.average_loss < 0 ? loss : 0.9 * state_.average_loss + 0.1 * loss;
}

void Trainer::end_epoch() {
  const int64_t epoch = state_.pending_epoch;
  const auto images = static_cast<double>(state_.epoch_images);
  const double train_loss = state_.epoch_loss / images;
  const double train_top1 = static_cast<double>(state_.epoch_correct) / images;
  std::string row = format("%lld,%lld,%.6f,%.6f,", static_cast<long long>(epoch),
                           static_cast<long long>(state_.iteration), train_loss, train_top1);
  std::string report =
      format("epoch %lld: train loss %.4f top1 %.4f", static_cast<long long>(epoch), train_loss, train_top1);
  if (valid_) {
    const eval::Accuracy accuracy = eval::evaluate(network_.get(), *valid_, data_.top, threads_, "validation");
    check_loss(accuracy.loss);
    row += format("%.6f,%.6f,%.6f", accuracy.loss, accuracy.top1(), accuracy.topk());
    report +=
        format(", valid loss %.4f top1 %.4f top%d %.4f", accuracy.loss, accuracy.top1(), data_.top, accuracy.topk());
    if (accuracy.top1() > state_.best_top1) {
      state_.best_top1 = accuracy.top1();
      state_.best_epoch = epoch;
      network::save_weights(base_ + "_best.weights", *network_,
                            static_cast<uint64_t>(state_.iteration) * static_cast<uint64_t>(config_.batch));
    }
  } else {
    row += ",,";
  }
  row += format(",%.8g,%.2f", schedule_->rate(state_.iteration - 1), state_.epoch_seconds);
  state_.rows.push_back(row);
  std::printf("%s, %.1f s\n", report.c_str(), state_.epoch_seconds);
  std::fflush(stdout);
  state_.epoch_loss = 0;
  state_.epoch_images = state_.epoch_correct = 0;
  state_.epoch_seconds = 0;
  state_.pending_epoch = 0;
  std::string csv = std::string(kCsvHeader) + "\n";
  for (const std::string& line : state_.rows) csv += line + "\n";
  write_file(base_ + ".csv", csv);
  draw_chart(base_ + ".png", base_name(settings_.cfg) + ": " + network_->describe_cost(), state_.rows);
}

void Trainer::save() {
  if (!network_->parameters_finite()) check_loss(std::nan(""));
  network::save_weights(base_ + "_last.weights", *network_,
                        static_cast<uint64_t>(state_.iteration) * static_cast<uint64_t>(config_.batch));
  save_state(base_ + ".state", state_, *network_);
}

void Trainer::log_iteration(double loss, double seconds) {
  const double left = (now_seconds() - started_) / static_cast<double>(state_.iteration - first_iteration_) *
                      static_cast<double>(schedule_->iterations() - state_.iteration);
  std::printf("%lld, %.3f: %f, %f avg, %f rate, %f seconds, %lld images, %f hours left\n",
              static_cast<long long>(state_.iteration), epochs_at(state_.iteration), loss, state_.average_loss,
              schedule_->rate(state_.iteration - 1), seconds, static_cast<long long>(state_.iteration * config_.batch),
              left / 3600);
  // A pipe holds lines back otherwise: dozens of iterations, which a kill would take along.
  std::fflush(stdout);
}

int Trainer::stop(int signal) {
  save();
  if (!settings_.profile.empty()) write_profile(settings_.profile, profile_, *network_);
  std::printf("stopped at iteration %lld of %lld; go on with -resume\n", static_cast<long long>(state_.iteration),
              static_cast<long long>(schedule_->iterations()));
  return 128 + signal;
}

int Trainer::run() {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  std::printf("%s\n", base_name(settings_.cfg).c_str());
  std::printf("training set: %s\n", train_->description().c_str());
  if (valid_) std::printf("validation set: %s\n", valid_->description().c_str());
  std::printf("cost: %s\n", network_->describe_cost().c_str());
  if (teacher_) std::printf("teacher: %s\n", teacher_->description().c_str());
  std::printf("host: %s, %d threads, seed %llu\n", host::traits().name, threads_,
              static_cast<unsigned long long>(settings_.seed));
  if (settings_.gpu != nullptr) {
    std::printf("GPU: %s, %s, precision %s\n", settings_.gpu->name().c_str(), settings_.gpu->libraries().c_str(),
                config_.net.text("precision").c_str());
  }
  const double memory = static_cast<double>(network_->training_bytes()) / (1 << 20);
  const std::string on_host = network_->host_layers();
  if (on_host.empty()) {
    std::printf("activations and gradients: %.0f MiB\n", memory);
  } else {
    std::printf(
        "%s: on one thread, and no layer of the network is fused with another; activations and gradients: %.0f MiB; "
        "-profile FILE shows the time they take\n",
        on_host.c_str(), memory);
  }
  std::printf("Learning Rate: %g, Momentum: %g, Decay: %g\n", config_.net.real("learning_rate"),
              config_.net.real("momentum"), config_.net.real("decay"));
  std::printf("%lld batches of %d images, %.2f epochs\n", static_cast<long long>(schedule_->iterations()),
              config_.batch, epochs_at(schedule_->iterations()));
  for (const graph::LayerConfig& layer : config_.layers) {
    if (host::traits().ignores_stride_of_1x1 && layer.op->section == "convolutional" &&
        layer.options.integer("size") == 1 && layer.options.integer("stride") > 1) {
      std::printf(
          "%s: a strided 1x1 convolution is computed right here, but the stock %s ignores its stride; use "
          "[maxpool] size=1 stride=%d and stride=1 for weights that evaluate the same there\n",
          layer.options.where("stride").c_str(), host::traits().binary.c_str(), layer.options.integer("stride"));
    }
  }
  std::fflush(stdout);

  StepsSettings settings{*train_, network_.get(), teacher_.get(), *schedule_};
  settings.seed = settings_.seed;
  settings.threads = threads_;
  settings.first = state_.iteration;
  settings.profile = &profile_;
  settings.profiles_layers = !settings_.profile.empty();
  const std::unique_ptr<Steps> steps = make_steps(settings);
  Progress progress("training", schedule_->iterations() - first_iteration_, "batches");
  started_ = now_seconds();
  double saved = started_;
  int64_t wished = 1;
  std::vector<StepResult> results;
  try {
    if (state_.pending_epoch > 0) end_epoch();
    while (state_.iteration < schedule_->iterations()) {
      const double before = now_seconds();
      const auto epoch_before = state_.iteration * config_.batch / train_->size();
      const int64_t count = next_count(wished);
      results.clear();
      steps->run(state_.iteration, count, &results);
      const double elapsed = now_seconds() - before, seconds = elapsed / static_cast<double>(count);
      if (elapsed < kLongestRun / 2 && count == wished) wished = std::min(2 * wished, steps->most());
      if (elapsed > kLongestRun) wished = std::max<int64_t>(1, wished / 2);
      state_.epoch_seconds += elapsed;
      profile_.seconds += elapsed;
      profile_.steps += count;
      for (const StepResult& result : results) {
        count_update(result);
        if (!terminal) log_iteration(result.loss / config_.batch, seconds);
      }
      const int64_t epoch = state_.iteration * config_.batch / train_->size();
      const bool epoch_done = epoch > epoch_before || state_.iteration == schedule_->iterations();
      if (epoch_done) state_.pending_epoch = epoch > epoch_before ? epoch : epoch + 1;
      if (terminal) {
        progress.advance(state_.iteration - first_iteration_,
                         format("epoch %.2f, loss %.4f, rate %g", epochs_at(state_.iteration), state_.average_loss,
                                schedule_->rate(state_.iteration - 1)));
      }
      if (interrupted() != 0) throw Interrupted("", interrupted());
      const bool due = now_seconds() - saved >= settings_.state_seconds;
      if (due) save();
      if (epoch_done) {
        progress.finish();
        end_epoch();
        save();
      }
      if (due || epoch_done) saved = now_seconds();
    }
  } catch (const Interrupted& stopped) {
    progress.finish();
    return stop(stopped.signal());
  }
  progress.finish();
  if (!settings_.profile.empty()) write_profile(settings_.profile, profile_, *network_);
  network::save_weights(base_ + "_final.weights", *network_,
                        static_cast<uint64_t>(state_.iteration) * static_cast<uint64_t>(config_.batch));
  std::printf("saved %s_final.weights", base_.c_str());
  if (valid_)
    std::printf(", best top1 %.4f in epoch %lld", state_.best_top1, static_cast<long long>(state_.best_epoch));
  std::printf("; waited %.1f %% of the time for data\n",
              100 * steps->waited() / std::max(1e-9, now_seconds() - started_));
  return 0;
}

}  // namespace

int train(const TrainSettings& settings) { return Trainer(settings).run(); }

}  // namespace dng::train
