// A bounded ring of batches that worker threads fill in order, ahead of the one thread that takes them out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "data/stream.h"

namespace dng::data {

// A worker's own memory, reused for every sample.
struct DecodeBuffers {
  Image image;
  Part part;
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
  double waited() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dng::data
