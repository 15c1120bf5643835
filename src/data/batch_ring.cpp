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

// One batch with the consumer, one ready, one being made.
constexpr int kDepth = 3;

struct Slot {
  Batch batch;
  int open = 0;    // samples that are not made yet
  int failed = 0;  // index of the first sample that failed, where `error` is set
  std::exception_ptr error;
};

// Threads that are started while one of these lives leave asynchronous signals (Ctrl-C) to the thread that starts them.
// Signals of the thread's own faults stay open: blocked, they would end the program without a word.
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
  int samples_per_turn = 1;
  Begin begin;
  Fill fill;
  Finish finish;

  std::mutex mutex;
  std::condition_variable room, ready;
  // Guarded by mutex. Batch n lives in slot n % kDepth.
  Slot slots[kDepth];
  int64_t batches = 0;
  int64_t making = 0;  // the batch that samples are handed out from
  int handed_out = 0;  // of that batch; 0: it is not begun
  int64_t taken = 0;   // batches the consumer is done with
  std::atomic<bool> stop{false};

  bool holding = false;  // the consumer's own: next() has returned batch `taken`
  double waited = 0;     // as well
  std::vector<std::thread> threads;

  void work();
  void make(Slot* slot, int first, int last, DecodeBuffers* buffers);
  void end();
};

void BatchRing::State::work() {
  DecodeBuffers buffers;
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    room.wait(lock, [&] { return stop || making == batches || making < taken + kDepth; });
    if (stop || making == batches) return;
    Slot* slot = &slots[making % kDepth];
    if (handed_out == 0) {
      slot->error = nullptr;
      try {
        begin(making, &slot->batch);
        slot->open = slot->batch.count;
      } catch (...) {
        slot->error = std::current_exception();
        slot->failed = -1;
        slot->open = 0;
        batches = ++making;  // nothing can come after it
        ready.notify_all();
        room.notify_all();
        return;
      }
    }
    const int first = handed_out;
    const int last = std::min(first + samples_per_turn, slot->batch.count);
    handed_out = last;
    if (last == slot->batch.count) {
      ++making;
      handed_out = 0;
    }
    lock.unlock();
    make(slot, first, last, &buffers);
    lock.lock();
  }
}

void BatchRing::State::make(Slot* slot, int first, int last, DecodeBuffers* buffers) {
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
  room.notify_all();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

BatchRing::BatchRing(int64_t batches, int threads, int samples_per_turn, Begin begin, Fill fill, Finish finish)
    : state_(std::make_unique<State>()) {
  if (threads < 1) fail("-threads %d; allowed: 1 or more", threads);
  state_->batches = batches;
  state_->samples_per_turn = std::max(1, samples_per_turn);
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
    state_->room.notify_all();
  }
  if (state_->taken == state_->batches) return nullptr;
  Slot& slot = state_->slots[state_->taken % kDepth];
  const auto done = [&] {
    const bool handed_out = state_->taken < state_->making;
    return handed_out && slot.open == 0;
  };
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
