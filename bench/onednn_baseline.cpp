// The primitive baseline: images per second of the bare oneDNN primitives that a network's training or inference needs,
// and nothing else. baseline_work.h says what is counted. Prints JSON; -v adds the time of every algorithm for each
// shape, on stderr.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/text.h"
#include "bench/baseline_tasks.h"
#include "cli/arguments.h"
#include "layers/registry.h"

namespace dng::bench {
namespace {

const char* const kSynopsis = "CFG [-batch N] [-threads T] [-seconds S] [-mode train|infer] [-v]";

// Candidates are interleaved, so that a short disturbance does not fall on one of them alone.
constexpr int kRepetitions = 4;
constexpr int kMinExecutions = 3;
constexpr size_t kPage = 4096;

// 0.25 to 1.25: no denormals, no zeros, and valid variances. Multiplication by an odd constant scatters the values.
void fill(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t mixed = static_cast<uint32_t>(i) * 2654435769u;
    values[i] = 0.25f + static_cast<float>(mixed >> 8) / static_cast<float>(1 << 24);
  }
}

// Times primitives. They share their buffers, which therefore stay in the caches where they fit; a network's do so
// less.
class Timer {
 public:
  Timer(const std::vector<Task>& tasks, const dnnl::engine& engine) : engine_(engine), stream_(engine) {
    std::map<int, size_t> bytes;
    for (const Task& task : tasks) {
      for (const Candidate& candidate : task.candidates) {
        for (const Step& step : candidate.steps) {
          for (const Argument& argument : step.arguments) {
            size_t& size = bytes[argument.buffer];
            size = std::max(size, argument.desc.get_size());
          }
        }
      }
    }
    for (const auto& [buffer, size] : bytes) {
      const size_t rounded = std::max(kPage, (size + kPage - 1) / kPage * kPage);
      void* memory = std::aligned_alloc(kPage, rounded);
      if (memory == nullptr) fail("%zu bytes are not available; use a smaller -batch", rounded);
      fill(static_cast<float*>(memory), rounded / sizeof(float));
      buffers_[buffer].reset(memory);
    }
  }

  // Executes the candidate for about `seconds` and appends the time of each execution but the first, which warms up.
  void measure(const Candidate& candidate, double seconds, std::vector<double>* times) {
    std::vector<std::unordered_map<int, dnnl::memory>> arguments(candidate.steps.size());
    for (size_t i = 0; i < arguments.size(); ++i) {
      for (const Argument& argument : candidate.steps[i].arguments) {
        void* buffer = buffers_.at(argument.buffer).get();
        arguments[i].emplace(argument.id, dnnl::memory(argument.desc, engine_, buffer));
      }
    }
    const auto run = [&] {
      const double start = now_seconds();
      for (size_t i = 0; i < arguments.size(); ++i) candidate.steps[i].primitive.execute(stream_, arguments[i]);
      stream_.wait();
      return now_seconds() - start;
    };
    run();
    double sum = 0;
    for (int i = 0; i < kMinExecutions || sum < seconds; ++i) {
      times->push_back(run());
      sum += times->back();
    }
  }

 private:
  struct Release {
    void operator()(void* memory) const { std::free(memory); }
  };
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::map<int, std::unique_ptr<void, Release>> buffers_;
};

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::vector<std::vector<double>> measure(const std::vector<Task>& tasks, double seconds, const dnnl::engine& engine) {
  std::vector<std::vector<std::vector<double>>> times(tasks.size());
  size_t candidates = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    times[i].resize(tasks[i].candidates.size());
    candidates += times[i].size();
  }
  Timer timer(tasks, engine);
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (size_t j = 0; j < times[i].size(); ++j) {
        timer.measure(tasks[i].candidates[j], seconds / kRepetitions / static_cast<double>(candidates), &times[i][j]);
      }
    }
  }
  std::vector<std::vector<double>> results(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (const std::vector<double>& list : times[i]) results[i].push_back(median(list));
  }
  return results;
}

void show(const std::vector<Task>& tasks, const std::vector<std::vector<double>>& times) {
  for (size_t i = 0; i < tasks.size(); ++i) {
    std::fprintf(stderr, "%s, %d of %s:", tasks[i].kind.c_str(), tasks[i].count, tasks[i].shape.c_str());
    for (size_t j = 0; j < times[i].size(); ++j) {
      std::fprintf(stderr, "%s %.3f ms %s", j > 0 ? ";" : "", 1e3 * times[i][j], tasks[i].candidates[j].name.c_str());
    }
    std::fprintf(stderr, "\n");
  }
}

int run(int argc, char** argv) {
  const cli::Arguments arguments(std::vector<std::string>(argv + 1, argv + argc), kSynopsis,
                                 std::string("onednn_baseline ") + kSynopsis);
  const std::string mode = arguments.text("-mode", "train");
  if (mode != "train" && mode != "infer") {
    fail_usage("-mode %s: allowed are train and infer; usage: %s", quoted(mode).c_str(), arguments.usage().c_str());
  }
  const graph::NetworkConfig config = layers::read_network_config(arguments.positional()[0]);
  const int batch = static_cast<int>(arguments.integer("-batch", config.mini_batch, 1, 1 << 20));
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int threads = static_cast<int>(arguments.integer("-threads", cores, 1, 1024));
  const double seconds = arguments.real("-seconds", 10, 0, 1e6);
  omp_set_num_threads(threads);

  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const std::vector<Task> tasks = mode == "train" ? training_tasks(training_work(config), batch, engine)
                                                  : inference_tasks(inference_work(config), batch, engine);
  if (tasks.empty()) {
    fail("%s: no [convolutional], [batchnorm] or [shortcut]: there is no primitive to time", config.path.c_str());
  }
  const std::vector<std::vector<double>> times = measure(tasks, seconds, engine);
  if (arguments.has("-v")) show(tasks, times);

  std::map<std::string, double> seconds_of;
  double total = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const double fastest = tasks[i].count * *std::min_element(times[i].begin(), times[i].end());
    seconds_of[tasks[i].kind] += fastest;
    total += fastest;
  }
  Json parts = Json::object();
  for (const auto& [kind, value] : seconds_of) parts.set(kind, Json::number(value));
  Json json = Json::object();
  json.set("images_per_second", Json::number(batch / total)).set("seconds", parts);
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace dng::bench

int main(int argc, char** argv) {
  try {
    return dng::bench::run(argc, argv);
  } catch (const dng::Error& error) {
    std::fprintf(stderr, "onednn_baseline: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onednn_baseline: %s\n", error.what());
    return 1;
  }
}
