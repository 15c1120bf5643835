#include "data/batch_ring.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace dng::data {
namespace {

// One batch with the consumer, one ready, one in preparation.
constexpr int kDepth = 3;

struct Slot {
  Batch batch;
  int open = 0;    // samples that are not ready
  int failed = 0;  // index of the first sample that failed, where `error` is set
  std::exception_ptr error;
};

// Threads that start while one of these exists leave asynchronous signals (Ctrl-C) to the thread that starts them.
// Signals of a thread's own faults are not blocked: then they would end the program without a message.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t set;
    sigfillset(&set);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&set, fault);
    pthread_sigmask(SIG_SETMASK, &set, &previous_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t previous_{};
};

}  // namespace

struct BatchRing::State {
  // Fixed after construction.
  int samples_per_task = 1;
  Begin begin;
  Fill fill;
  Finish finish;

  std::mutex mutex;
  std::condition_variable free, ready;
  // Guarded by mutex. Batch n lives in slot n % kDepth.
  Slot slots[kDepth];
  int64_t batches = 0;
  int64_t current = 0;  // the batch whose samples are assigned to workers
  int assigned = 0;     // samples of it; 0: the batch is not begun
  int64_t taken = 0;    // batches that the consumer is done with
  std::atomic<bool> stop{false};

  // Of the consumer's thread.
  bool holding = false;  // next() has returned batch `taken`
  double waited = 0;
  std::vector<std::thread> threads;

  void work();
  void fill_samples(Slot* slot, int first, int last, DecodeBuffers* buffers);
  void end();
};

void BatchRing::State::work() {
  DecodeBuffers buffers;
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    free.wait(lock, [&] { return stop || current == batches || current < taken + kDepth; });
    if (stop || current == batches) return;
    Slot* slot = &slots[current % kDepth];
    if (assigned == 0) {
      slot->error = nullptr;
      try {
        begin(current, &slot->batch);
        slot->open = slot->batch.count;
      } catch (...) {
        slot->error = std::current_exception();
        slot->failed = -1;
        slot->open = 0;
        batches = ++current;  // nothing can come after it
        ready.notify_all();
        free.notify_all();
        return;
      }
    }
    const int first = assigned;
    const int last = std::min(first + samples_per_task, slot->batch.count);
    assigned = last;
    if (last == slot->batch.count) {
      ++current;
      assigned = 0;
    }
    lock.unlock();
    fill_samples(slot, first, last, &buffers);
    lock.lock();
  }
}

void BatchRing::State::fill_samples(Slot* slot, int first, int last, DecodeBuffers* buffers) {
  std::exception_ptr error;
  int i = first;
  try {
    for (; i < last && !stop; ++i) fill(&slot->batch, i, buffers);
    if (finish && !stop) {
      i = first;
      finish(&slot->batch, first);
    }
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard<std::mutex> lock(mutex);
  if (error != nullptr && (slot->error == nullptr || i < slot->failed)) {
    slot->error = error;
    slot->failed = i;
  }
  slot->open -= last - first;
  if (slot->open == 0) ready.notify_one();
}

void BatchRing::State::end() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    stop = true;
  }
  free.notify_all();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

BatchRing::BatchRing(int64_t batches, int threads, int samples_per_task, Begin begin, Fill fill, Finish finish)
    : state_(std::make_unique<State>()) {
  if (threads < 1) fail("-threads %d; allowed: 1 or more", threads);
  state_->batches = batches;
  state_->samples_per_task = std::max(1, samples_per_task);
  state_->begin = std::move(begin);
  state_->fill = std::move(fill);
  state_->finish = std::move(finish);
  const SignalsBlocked blocked;
  state_->threads.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) state_->threads.emplace_back([state = state_.get()] { state->work(); });
  } catch (const std::system_error& error) {
    const size_t started = state_->threads.size();
    state_->end();
    fail("-threads %d: only %zu threads could be started: %s; use fewer", threads, started, error.what());
  }
}

BatchRing::~BatchRing() { state_->end(); }

const Batch* BatchRing::next() {
  std::unique_lock<std::mutex> lock(state_->mutex);
  if (state_->holding) {
    ++state_->taken;
    state_->holding = false;
    state_->free.notify_all();
  }
  if (state_->taken == state_->batches) return nullptr;
  Slot& slot = state_->slots[state_->taken % kDepth];
  const auto done = [&] { return state_->taken < state_->current && slot.open == 0; };
  if (!done()) {
    const auto start = std::chrono::steady_clock::now();
    state_->ready.wait(lock, done);
    state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (slot.error != nullptr) std::rethrow_exception(slot.error);
  state_->holding = true;
  return &slot.batch;
}

double BatchRing::waited() const { return state_->waited; }

}  // namespace dng::data
