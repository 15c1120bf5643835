#include "data/batch_ring.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace dng::data {
namespace {

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

BatchRing::BatchRing(int64_t batches, int threads, int samples_per_task, Begin begin, Fill fill, Finish finish)
    : samples_per_task_(std::max(1, samples_per_task)),
      begin_(std::move(begin)),
      fill_(std::move(fill)),
      finish_(std::move(finish)),
      batches_(batches) {
  if (threads < 1) fail("-threads %d; allowed: 1 or more", threads);
  const SignalsBlocked blocked;
  threads_.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    const size_t started = threads_.size();
    stop();
    fail("-threads %d: only %zu threads could be started: %s; use fewer", threads, started, error.what());
  }
}

BatchRing::~BatchRing() { stop(); }

void BatchRing::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  free_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void BatchRing::work() {
  DecodeBuffers buffers;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    free_.wait(lock, [&] { return stop_ || current_ == batches_ || current_ < taken_ + kDepth; });
    if (stop_ || current_ == batches_) return;
    Slot* slot = &slots_[current_ % kDepth];
    if (assigned_ == 0 && !begin_batch(slot)) return;
    const int first = assigned_;
    const int last = std::min(first + samples_per_task_, slot->batch.count);
    assigned_ = last;
    if (last == slot->batch.count) {
      ++current_;
      assigned_ = 0;
    }
    lock.unlock();
    fill_samples(slot, first, last, &buffers);
    lock.lock();
  }
}

// False where it fails: then no batch follows.
bool BatchRing::begin_batch(Slot* slot) {
  slot->error = nullptr;
  try {
    begin_(current_, &slot->batch);
    slot->open = slot->batch.count;
    return true;
  } catch (...) {
    slot->error = std::current_exception();
    slot->failed = -1;
    slot->open = 0;
    batches_ = ++current_;
    ready_.notify_all();
    free_.notify_all();
    return false;
  }
}

void BatchRing::fill_samples(Slot* slot, int first, int last, DecodeBuffers* buffers) {
  std::exception_ptr error;
  int i = first;
  try {
    for (; i < last && !stop_; ++i) fill_(&slot->batch, i, buffers);
    if (finish_ && !stop_) {
      i = first;
      finish_(&slot->batch, first);
    }
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (error != nullptr && (slot->error == nullptr || i < slot->failed)) {
    slot->error = error;
    slot->failed = i;
  }
  slot->open -= last - first;
  if (slot->open == 0) ready_.notify_one();
}

const Batch* BatchRing::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (holding_) {
    ++taken_;
    holding_ = false;
    free_.notify_all();
  }
  if (taken_ == batches_) return nullptr;
  Slot& slot = slots_[taken_ % kDepth];
  const auto done = [&] { return taken_ < current_ && slot.open == 0; };
  if (!done()) {
    const auto start = std::chrono::steady_clock::now();
    ready_.wait(lock, done);
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (slot.error != nullptr) std::rethrow_exception(slot.error);
  holding_ = true;
  return &slot.batch;
}

}  // namespace dng::data
