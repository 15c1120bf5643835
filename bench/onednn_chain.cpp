// The limit that a network's training and inference are compared with: images per second of the chain of bare oneDNN
// primitives that it needs, and nothing else. chain_work.h says what is counted. Prints one line of JSON; -v adds the
// time of every algorithm for each shape, on stderr.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "bench/chain_timer.h"
#include "cli/arguments.h"
#include "layers/registry.h"

namespace dng::bench {
namespace {

const char* const kSynopsis = "CFG [-batch N] [-threads T] [-seconds S] [-mode train|infer] [-v]";

// The candidates take turns, so that a short disturbance does not fall on one of them alone.
constexpr int kTurns = 4;

struct Seconds {
  double median = 0, best = 0;
};

Seconds summary(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front()};
}

std::vector<std::vector<Seconds>> measure(const std::vector<Task>& tasks, double seconds, const dnnl::engine& engine) {
  std::vector<std::vector<std::vector<double>>> times(tasks.size());
  size_t candidates = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    times[i].resize(tasks[i].candidates.size());
    candidates += times[i].size();
  }
  ChainTimer timer(tasks, engine);
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (size_t j = 0; j < times[i].size(); ++j) {
        timer.measure(tasks[i].candidates[j], seconds / kTurns / static_cast<double>(candidates), &times[i][j]);
      }
    }
  }
  std::vector<std::vector<Seconds>> results(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (const std::vector<double>& list : times[i]) results[i].push_back(summary(list));
  }
  return results;
}

// The time of each kind of work, by the fastest candidate of each task.
std::vector<Seconds> totals_of(const std::vector<Task>& tasks, const std::vector<std::vector<Seconds>>& times) {
  std::vector<Seconds> totals(kKinds);
  for (size_t i = 0; i < tasks.size(); ++i) {
    const Seconds fastest = *std::min_element(times[i].begin(), times[i].end(),
                                              [](const Seconds& a, const Seconds& b) { return a.median < b.median; });
    Seconds& total = totals[static_cast<size_t>(tasks[i].kind)];
    total.median += tasks[i].count * fastest.median;
    total.best += tasks[i].count * fastest.best;
  }
  return totals;
}

void show(const std::vector<Task>& tasks, const std::vector<std::vector<Seconds>>& times) {
  for (size_t i = 0; i < tasks.size(); ++i) {
    std::fprintf(stderr, "%s, %d of %s:", kind_name(tasks[i].kind), tasks[i].count, tasks[i].shape.c_str());
    for (size_t j = 0; j < times[i].size(); ++j) {
      std::fprintf(stderr, "%s %.3f ms %s", j > 0 ? ";" : "", 1e3 * times[i][j].median,
                   tasks[i].candidates[j].name.c_str());
    }
    std::fprintf(stderr, "\n");
  }
}

// Json writes a line for each member.
std::string one_line(const Json& json) {
  std::string text;
  for (const std::string& line : split(json.dump(), '\n')) text += line + (ends_with(line, ",") ? " " : "");
  return text;
}

std::string onednn_version() {
  const dnnl::version_t* version = dnnl::version();
  return format("%d.%d.%d", version->major, version->minor, version->patch);
}

int run(int argc, char** argv) {
  const cli::Arguments arguments(std::vector<std::string>(argv + 1, argv + argc), kSynopsis,
                                 std::string("onednn_chain ") + kSynopsis);
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
    fail("%s: no [convolutional], [batchnorm] or [shortcut]: there is no chain to time", config.path.c_str());
  }
  const std::vector<std::vector<Seconds>> times = measure(tasks, seconds, engine);
  if (arguments.has("-v")) show(tasks, times);
  const std::vector<Seconds> totals = totals_of(tasks, times);

  Seconds all;
  Json parts = Json::object();
  for (int kind = 0; kind < kKinds; ++kind) {
    const Seconds& total = totals[static_cast<size_t>(kind)];
    all.median += total.median;
    all.best += total.best;
    parts.set(kind_name(static_cast<Kind>(kind)), Json::number(total.median));
  }
  Json json = Json::object();
  json.set("network", Json::string(config.path))
      .set("mode", Json::string(mode))
      .set("batch", Json::integer(batch))
      .set("threads", Json::integer(threads))
      .set("images_per_second", Json::number(batch / all.median))
      .set("best_images_per_second", Json::number(batch / all.best))
      .set("seconds", parts)
      .set("onednn", Json::string(onednn_version()));
  std::printf("%s\n", one_line(json).c_str());
  return 0;
}

int fail_with(const char* text, int code) {
  std::fprintf(stderr, "onednn_chain: %s\n", text);
  return code;
}

}  // namespace
}  // namespace dng::bench

int main(int argc, char** argv) {
  using dng::bench::fail_with;
  try {
    return dng::bench::run(argc, argv);
  } catch (const dng::Error& error) {
    return fail_with(error.what(), static_cast<int>(error.code()));
  } catch (const dnnl::error& error) {
    return fail_with(dng::format("oneDNN: %s", error.what()).c_str(), 1);
  } catch (const std::bad_alloc&) {
    return fail_with("out of memory; use a smaller -batch", 1);
  } catch (const std::exception& error) {
    return fail_with(error.what(), 1);
  }
}
