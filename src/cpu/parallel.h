// Work on the batch in micro-batches, which the threads take one after the other. A micro-batch is a few images, so
// that what one step writes is still in the cache when the next one reads it. The size of micro-batches depends on the
// shapes alone, and sums over micro-batches are added in an order of their own, so that results do not depend on the
// number of threads.
//
// So it is possible to continue with fewer threads where another program slows one of them down: all wait for it at the
// end of every loop, and two threads on one and a half cores can be slower than one.
#pragma once

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>

#include "cpu/workspace.h"
#include "graph/pass.h"

namespace dng::cpu {

Workspace& thread_workspace();

// In its lifetime the calling thread works alone: its loops, and oneDNN's primitives that are made or run.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// Compares the processor time that the threads got with the wall time, and backs off.
class Crew {
 public:
  // Seconds of processor time that this thread has had.
  static double processor_seconds();
  // Before a loop: uses all threads again once the back-off is over.
  static void end_back_off();
  // After a loop on `threads` threads: uses one thread fewer where that would gain as much, and all again later, after
  // ever longer times.
  static void report(int threads, double wall_seconds, double processor_seconds);
};

// Calls task(i, workspace) for every i below count. Throws what one of the tasks threw.
template <class Task>
void for_tasks(int count, const Task& task) {
  using Clock = std::chrono::steady_clock;
  Crew::end_back_off();
  const Clock::time_point begin = Clock::now();
  const int threads = std::min(omp_get_max_threads(), std::max(count, 1));
  double processor = 0;
  std::exception_ptr thrown;
#pragma omp parallel num_threads(threads) reduction(+ : processor)
  {
    const double before = Crew::processor_seconds();
#pragma omp for schedule(dynamic, 1) nowait
    for (int i = 0; i < count; ++i) {
      try {
        const WorkspaceFrame frame(&thread_workspace());
        task(i, thread_workspace());
      } catch (...) {
#pragma omp critical(dng_for_tasks)
        thrown = std::current_exception();
      }
    }
    processor += Crew::processor_seconds() - before;
  }
  if (thrown) std::rethrow_exception(thrown);
  if (threads > 1) Crew::report(threads, std::chrono::duration<double>(Clock::now() - begin).count(), processor);
}

// Calls task(range, workspace) for the images 0 to count - 1 in ranges of `micro_batch`; the last may be shorter.
template <class Task>
void for_ranges(int count, int micro_batch, const Task& task) {
  for_tasks((count + micro_batch - 1) / micro_batch, [&](int i, Workspace& workspace) {
    task(graph::Range{i * micro_batch, std::min(micro_batch, count - i * micro_batch)}, workspace);
  });
}

// The largest divisor of batch for which `bytes` per image fit into a micro-batch, and that makes least_micro_batches
// micro-batches at least where the batch has so many images.
int micro_batch_of(int batch, size_t bytes, int least_micro_batches);
// Of a mini-batch that has so many images: work for four threads. More find work in larger mini-batches, which have
// more shards, and in layers whose images are large.
constexpr int kMinMicroBatches = 4;
// Larger weights are read from memory for every micro-batch.
constexpr int64_t kLargeWeights = int64_t{1} << 18;

}  // namespace dng::cpu
