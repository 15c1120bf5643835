#include "train/setup.h"

#include <omp.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/instructions.h"
#include "base/text.h"
#include "gpu/gpu.h"
#include "host/host.h"
#include "layers/registry.h"
#include "network/weights.h"
#include "train/adam.h"
#include "train/stock_warnings.h"
#include "train/targets.h"

namespace dng::train {
namespace {

void check_data(const data::DataFile& data, const graph::NetworkConfig& config) {
  config.require_image_channels();
  if (data.backup.empty()) {
    fail("%s: backup= is missing; name the folder for weights, state and log", data.path.c_str());
  }
  config.require_classes(data.classes, data.path);
}

std::unique_ptr<TeacherSource> open_teacher(const Setup& s) {
  const graph::LayerConfig& cost = s.config.cost();
  if (cost.op->section != "distill") return nullptr;
  const cfg::Options& o = cost.options;
  if (o.given("targets")) {
    if (s.schedule->endless()) {
      fail("%s: a training without an end has no cached targets; say how long to train: max_batches= or epochs=",
           o.where("targets").c_str());
    }
    return std::make_unique<CachedTeacher>(o, make_targets_key(s.config, *s.train, s.settings.seed),
                                           s.schedule->iterations() * s.config.batch, s.config.classes());
  }
  o.require("teacher", "name the teacher's cfg and its teacher_weights=, or cached targets=");
  o.require("teacher_weights", "name the weights of the teacher");
  return std::make_unique<LiveTeacher>(o, s.config, s.settings.gpu);
}

// Hash of everything of the layers that decides what is computed, cost options included.
std::string network_hash(const graph::NetworkConfig& config) {
  Hash hash;
  std::string text;
  for (const graph::LayerConfig& layer : config.layers) {
    text += "[" + layer.op->section + "]";
    for (const cfg::CfgEntry& entry : layer.options.section().entries) {
      // Where a teacher's outputs come from does not change them: a run may go on with a cache.
      if (entry.key == "targets" || entry.key == "teacher" || entry.key == "teacher_weights") continue;
      text += entry.key + "=" + entry.value + ";";
    }
  }
  hash.add(text);
  return hash.hex();
}

std::string optimizer_text(const cfg::Options& net) {
  if (!net.flag("adam")) return "sgd";
  const math::AdamSettings adam = adam_settings(net);
  return format("adam B1=%.17g B2=%.17g eps=%.17g", adam.mean_factor, adam.square_factor, adam.epsilon);
}

std::string class_weights_text(const std::vector<float>& weights) {
  std::vector<std::string> words;
  words.reserve(weights.size());
  for (const float weight : weights) words.push_back(format("%.9g", static_cast<double>(weight)));
  return words.empty() ? "none" : join(words, ",");
}

TrainingState identify(const Setup& s) {
  TrainingState state;
  state.identity = {{"batch", std::to_string(s.config.batch)},
                    {"subdivisions", std::to_string(s.config.subdivisions)},
                    {"seed", std::to_string(s.settings.seed)},
                    {"host", host::traits().id},
                    {"data", hex(s.train->hash())},
                    {"augmentation", s.config.augmentation().training_text()},
                    {"class_weights", class_weights_text(s.data.class_weights)},
                    {"label_smooth_eps", format("%.17g", s.config.net.real("label_smooth_eps"))},
                    {"optimizer", optimizer_text(s.config.net)},
                    {"network", network_hash(s.config)}};
  if (s.teacher) state.identity["teacher"] = s.teacher->identity();
  if (s.settings.gpu != nullptr) {
    state.machine = {{"device", s.settings.gpu->name()},
                     {"libraries", s.settings.gpu->libraries()},
                     {"precision", s.config.net.text("precision")}};
  } else {
    state.identity["shards"] = std::to_string(s.config.shards * s.config.ranks);
    state.machine = {{"device", "cpu"}, {"instructions", text_of(instructions())}};
  }
  return state;
}

void resume(const std::string& path, TrainingState* state, network::Network* network) {
  const std::string differences = load_state(path, state, network);
  std::printf("resumed at iteration %lld\n", static_cast<long long>(state->iteration));
  if (!differences.empty()) {
    std::printf("not bit for bit: %s; the run goes on, but its last bits may differ\n", differences.c_str());
  }
}

// Returns the iteration that the weights have reached; *fresh: whether some layers have none of them.
int64_t load_initial_weights(Setup* s, bool* fresh) {
  const std::string& path = s->settings.weights;
  int layers = 0;
  const uint64_t seen = network::load_weights(path, s->network.get(), network::Prefix::kAllow, &layers);
  if (layers < s->network->size()) {
    std::printf("%s: weights of the first %d of %d layers; the others start fresh\n", path.c_str(), layers,
                s->network->size());
  }
  const std::vector<graph::LayerConfig>& all = s->config.layers;
  *fresh = layers < s->network->size() || std::any_of(all.begin(), all.end(), network::starts_fresh);
  const int64_t iteration = s->settings.clear ? 0 : static_cast<int64_t>(seen) / s->config.batch;
  if (iteration >= s->schedule->iterations()) {
    fail(
        "%s: these weights have seen %llu images, all of the %lld batches of %s; start over with -clear, or train "
        "longer",
        path.c_str(), static_cast<unsigned long long>(seen), static_cast<long long>(s->schedule->iterations()),
        s->settings.cfg.c_str());
  }
  return iteration;
}

// An interrupted training is not lost to a command that was only meant to continue it.
void protect_interrupted(const Setup& s) {
  const std::string path = s.base + ".state";
  if (s.settings.resume || s.settings.restart || !file_exists(path)) return;
  const int64_t done = iteration_of_state(path);
  if (done < 0 || done >= s.schedule->iterations()) return;
  fail("%s: an interrupted training, %lld iterations done; go on with -resume, or discard it with -restart",
       path.c_str(), static_cast<long long>(done));
}

void note_missing_end(graph::NetworkConfig* config) {
  const cfg::Options& net = config->net;
  if (net.given("max_batches") || net.given("epochs")) return;
  config->translations.add(net.where(), "max_batches= is missing: trains until it is stopped, as Darknet",
                           "max_batches= is missing; say how long to train: max_batches= or epochs=");
}

void print_memory(const network::Network& network) {
  std::printf("activations and gradients: %.0f MiB\n", static_cast<double>(network.training_bytes()) / (1 << 20));
}

// With a mean of 1 over the images, the learning rate means what it means without weights.
void print_class_weights(const Setup& s) {
  const std::vector<float>& weights = s.data.class_weights;
  if (weights.empty()) return;
  double sum = 0;
  for (int64_t i = 0; i < s.train->size(); ++i) sum += weights[static_cast<size_t>(s.train->label(i))];
  const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  std::printf("class weights: %g to %g, mean over the training images %.4g\n", static_cast<double>(*least),
              static_cast<double>(*most), sum / static_cast<double>(s.train->size()));
}

void warn_about_empty_classes(const Setup& s) {
  std::vector<bool> seen(static_cast<size_t>(s.config.classes()));
  for (int64_t i = 0; i < s.train->size(); ++i) seen[static_cast<size_t>(s.train->label(i))] = true;
  std::vector<std::string> empty;
  for (size_t c = 0; c < seen.size(); ++c) {
    if (!seen[c]) empty.push_back(s.data.display_names[c]);
  }
  if (empty.empty()) return;
  const size_t count = empty.size(), shown = std::min<size_t>(count, 3);
  empty.resize(shown);
  std::printf("%s: %zu of %zu classes have no training images: %s%s\n", s.data.path.c_str(), count, seen.size(),
              join(empty, ", ").c_str(), count > shown ? ", ..." : "");
}

// pad= and mirror= are for small images: of a large one the network would see a random patch.
void warn_about_patches(const Setup& s) {
  const data::Augmentation augmentation = s.config.augmentation();
  if (!augmentation.own || augmentation.random_resized_crop || s.train->size() == 0) return;
  data::Image image;
  s.train->decode(0, &image);
  const data::Geometry& frame = s.config.frame;
  constexpr int kMuchLarger = 2;
  if (std::min(image.shape.height / frame.height, image.shape.width / frame.width) < kMuchLarger) return;
  std::printf(
      "%s: the first image has %dx%d pixels, and the network sees a random patch of %dx%d of it; for the whole of "
      "large images replace pad= by random_resized_crop=1 and valid_resize=%d\n",
      s.config.net.where(s.config.net.given("pad") ? "pad" : "mirror").c_str(), image.shape.width, image.shape.height,
      frame.width, frame.height, std::max(frame.width, frame.height) * 8 / 7);
}

}  // namespace

Setup::Setup(const TrainSettings& s, Ranks* all_ranks)
    : settings(s),
      ranks(*all_ranks),
      data(data::read_data_file(s.data)),
      config(layers::read_network_config(s.cfg, s.reading)),
      threads(s.threads > 0 ? s.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
  note_missing_end(&config);
  config.translations.show();
  check_data(data, config);
  config.layers.back().class_weights = data.class_weights;
  if (ranks.size() > 1 && settings.gpu != nullptr) {
    fail_usage("%d processes train on the CPU alone; add -nogpu, or start one process", ranks.size());
  }
  ranks.deal(&config);
  omp_set_num_threads(threads);
  train = data::open_training_set(data, settings.seed);
  if (!data.valid.empty()) valid = data::open_dataset(data, data.valid, "valid");
  schedule = std::make_unique<Schedule>(config.net, train->size(), config.batch, settings.seed);
  base = data.backup + "/" + base_name(settings.cfg);
  if (ranks.first()) {
    require_writable_folder(data.backup, "backup=");
    if (!settings.profile.empty()) require_writable_file(settings.profile, "the -profile file");
    lock = std::make_unique<FileLock>(base + ".lock",
                                      "another training writes these files; wait for its end, or name "
                                      "another backup= or cfg");
    protect_interrupted(*this);
  }
  if (!settings.weights.empty() && !file_exists(settings.weights)) {
    fail("%s: the weights file does not exist; correct the path, or leave it out", settings.weights.c_str());
  }
  network::NetworkSettings network_settings{settings.gpu, settings.verbose};
  if (ranks.size() > 1) network_settings.ranks = &ranks.statistics();
  network = std::make_unique<network::Network>(config, network_settings);
  teacher = open_teacher(*this);
}

TrainingState start_state(Setup* setup) {
  TrainingState state = identify(*setup);
  if (!setup->ranks.first()) return state;
  const std::string path = setup->base + ".state";
  if (setup->settings.resume && file_exists(path)) {
    resume(path, &state, setup->network.get());
    if (!setup->settings.weights.empty()) {
      std::printf("%s: not read: the state has the weights\n", setup->settings.weights.c_str());
    }
    if (setup->settings.clear) std::printf("-clear: ignored: the state goes on at its iteration\n");
    return state;
  }
  if (setup->settings.resume) std::printf("no state at %s: starting from the beginning\n", path.c_str());
  setup->network->initialize(setup->settings.seed);
  if (setup->settings.weights.empty()) return state;
  bool fresh = false;
  state.iteration = state.started = load_initial_weights(setup, &fresh);
  // Statistics of fresh layers would move by 1 % a step from zero, and evaluations diverge for hundreds of steps.
  if (fresh) state.statistics_from = state.iteration;
  return state;
}

TrainingState of_first_rank(TrainingState state, Setup* setup) {
  Group& group = setup->ranks.all();
  if (group.size() == 1) return state;
  for (int64_t* number : {&state.iteration, &state.started, &state.statistics_from, &state.pending_epoch}) {
    group.broadcast(number, sizeof(*number));
  }
  group.broadcast(&state.best_top1, sizeof(state.best_top1));
  for (const auto& layer : setup->network->blocks()) {
    for (const host::Block& block : layer) {
      for (float* values : {block.value, block.update, block.second}) {
        if (values != nullptr) group.broadcast(values, static_cast<size_t>(block.count) * sizeof(float));
      }
    }
  }
  return state;
}

std::vector<Ranks::Fact> facts_of(const Setup& s) {
  const auto hash_of = [](const std::string& text) {
    Hash hash;
    hash.add(text);
    return hash.hex();
  };
  return {{"program", hash_of(read_file("/proc/self/exe", "the program"))},
          {"host", host::traits().id},
          {"instruction set", text_of(instructions())},
          {"cfg", hash_of(read_file(s.settings.cfg, "the cfg"))},
          {"seed", std::to_string(s.settings.seed)},
          {"training set", hex(s.train->hash())},
          {"validation set", s.valid ? hex(s.valid->hash()) : "none"},
          {"teacher", s.teacher ? s.teacher->identity() : "none"}};
}

void print_start(const Setup& s) {
  std::printf("%s\n", base_name(s.settings.cfg).c_str());
  std::printf("training set: %s\n", s.train->description().c_str());
  if (s.valid) std::printf("validation set: %s\n", s.valid->description().c_str());
  std::printf("cost: %s\n", s.network->describe_cost().c_str());
  print_class_weights(s);
  if (s.teacher) std::printf("teacher: %s\n", s.teacher->description().c_str());
  const std::string processes = s.ranks.size() == 1 ? "" : format(" in each of %d processes", s.ranks.size());
  std::printf("host: %s, %d threads%s, seed %llu\n", host::traits().name, s.threads, processes.c_str(),
              static_cast<unsigned long long>(s.settings.seed));
  if (s.settings.gpu != nullptr) {
    std::printf("GPU: %s, %s, precision %s\n", s.settings.gpu->name().c_str(), s.settings.gpu->libraries().c_str(),
                s.config.net.text("precision").c_str());
  }
  print_memory(*s.network);
  std::printf("Learning Rate: %g, Momentum: %g, Decay: %g\n", s.config.net.real("learning_rate"),
              s.config.net.real("momentum"), s.config.net.real("decay"));
  if (s.schedule->endless()) {
    std::printf("batches of %d images, until it is stopped\n", s.config.batch);
  } else {
    std::printf("%lld batches of %d images, %.2f epochs\n", static_cast<long long>(s.schedule->iterations()),
                s.config.batch, s.schedule->epochs_at(s.schedule->iterations()));
  }
  warn_about_empty_classes(s);
  warn_about_patches(s);
  warn_about_stock(s.config);
  std::fflush(stdout);
}

}  // namespace dng::train
