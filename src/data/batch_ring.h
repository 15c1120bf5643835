// A bounded ring of batches that worker threads fill in order, ahead of the one thread that takes them out.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "data/stream.h"

namespace dng::data {

// A worker's own memory, reused for every sample.
struct DecodeBuffers {
  Image image;
  Part part;
  std::vector<float> mixed;  // the image that is mixed in
};

class BatchRing {
 public:
  // Called once a batch, in order, one call at a time: sets position, count, samples, and the sizes of the rest.
  using Begin = std::function<void(int64_t index, Batch* batch)>;
  // Called for every sample of a batch, on any worker, several at once: fills images and labels of sample `i`.
  using Fill = std::function<void(Batch* batch, int i, DecodeBuffers* buffers)>;
  // Called on the worker that filled a task's samples first, first + 1, ..., unless one of them failed.
  using Finish = std::function<void(Batch* batch, int first)>;

  BatchRing(int64_t batches, int threads, int samples_per_task, Begin begin, Fill fill, Finish finish = nullptr);
  // Waits for the samples that are being filled.
  ~BatchRing();
  BatchRing(const BatchRing&) = delete;
  BatchRing& operator=(const BatchRing&) = delete;

  // The next batch, valid until the next call; nullptr after the last. Throws the error of its first bad sample,
  // whatever the number of threads, and again on further calls.
  const Batch* next();
  // Seconds that next() has waited.
  double waited() const { return waited_; }

 private:
  // One batch with the consumer, one ready, one in preparation.
  static constexpr int kDepth = 3;
  struct Slot {
    Batch batch;
    int open = 0;    // samples that are not ready
    int failed = 0;  // index of the first sample that failed, where `error` is set
    std::exception_ptr error;
  };

  void work();
  bool begin_batch(Slot* slot);
  void fill_samples(Slot* slot, int first, int last, DecodeBuffers* buffers);
  void stop();

  const int samples_per_task_;
  const Begin begin_;
  const Fill fill_;
  const Finish finish_;

  std::mutex mutex_;
  std::condition_variable free_, ready_;
  // Guarded by mutex_. Batch n lives in slot n % kDepth.
  Slot slots_[kDepth];
  int64_t batches_;
  int64_t current_ = 0;  // the batch whose samples are assigned to workers
  int assigned_ = 0;     // samples of it; 0: the batch is not begun
  int64_t taken_ = 0;    // batches that the consumer is done with
  std::atomic<bool> stop_{false};

  // Of the consumer's thread.
  bool holding_ = false;  // next() has returned batch `taken`
  double waited_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace dng::data
