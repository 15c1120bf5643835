#include "cpu/parallel.h"

#include <ctime>

namespace dng::cpu {
namespace {

// Measured: micro-batches larger than the cache make a direct convolution on 16 channels a fifth slower; with smaller
// ones, Winograd's transformation of the weights takes too large a share.
constexpr size_t kMicroBatchBytes = size_t{2} << 20;

// Loops are timed for so long before a decision; the first and the longest back-off.
constexpr double kWatchSeconds = 0.1, kFirstBackOff = 1, kLongestBackOff = 10;
// One thread fewer would gain a little less than its number.
constexpr double kGainOfOthers = 0.95;

struct Watch {
  int asked_for = 0, at_work = 0;  // 0: not known yet
  double wall = 0, processor = 0;  // of the loops watched
  double back_off = kFirstBackOff;
  std::chrono::steady_clock::time_point until;  // of the back-off
};

// Of the thread that starts the loops, as OpenMP's own setting is.
Watch& watch() {
  static thread_local Watch watch;
  // Somebody has set another number since.
  if (watch.at_work != omp_get_max_threads()) {
    watch = Watch();
    watch.asked_for = watch.at_work = omp_get_max_threads();
  }
  return watch;
}

void work_with(int threads, Watch* w) {
  w->at_work = threads;
  w->wall = w->processor = 0;
  omp_set_num_threads(threads);
}

}  // namespace

Workspace& thread_workspace() {
  static thread_local Workspace workspace;
  return workspace;
}

double Crew::processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void Crew::end_back_off() {
  Watch& w = watch();
  if (w.at_work < w.asked_for && std::chrono::steady_clock::now() >= w.until) work_with(w.asked_for, &w);
}

void Crew::report(int threads, double wall_seconds, double processor_seconds) {
  Watch& w = watch();
  if (threads < w.at_work) return;
  w.wall += wall_seconds;
  w.processor += processor_seconds;
  if (w.wall < kWatchSeconds) return;
  const bool held_up = w.processor < kGainOfOthers * (threads - 1) * w.wall;
  if (held_up) {
    w.until = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                     std::chrono::duration<double>(w.back_off));
    w.back_off = std::min(2 * w.back_off, kLongestBackOff);
    work_with(threads - 1, &w);
  } else {
    if (threads == w.asked_for) w.back_off = kFirstBackOff;
    w.wall = w.processor = 0;
  }
}

int micro_batch_of(int batch, size_t bytes, int least_micro_batches) {
  int best = 1;
  for (int micro_batch = 1; micro_batch <= batch / least_micro_batches; ++micro_batch) {
    if (batch % micro_batch == 0 && static_cast<size_t>(micro_batch) * bytes <= kMicroBatchBytes) best = micro_batch;
  }
  return best;
}

}  // namespace dng::cpu
