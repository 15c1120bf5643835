// Batches, prepared ahead of time on worker threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"

namespace dng::data {

class BatchRing;

// `count` samples; images[count][channels][height][width], labels[count]. Of an EvaluationStream images and results
// have the size of a whole batch: after its last image come zeros, and results of those.
struct Batch {
  int64_t position = 0;  // of the first sample, counted from the start of training (or of the set)
  int count = 0;
  std::vector<float> images;
  std::vector<int> labels;       // of a mixed image the class with the largest weight
  std::vector<LabelMix> mixes;   // of a TrainingStream that mixes images; else empty
  std::vector<int64_t> samples;  // index in the data set
  std::vector<float> results;    // of EvaluationStream's work
};

// The endless training stream: the sample at a position is that of epoch_order(seed, epoch, size), with epoch =
// position / size. Every sample is seen exactly once per epoch; batches may straddle epochs. Other samples may be mixed
// into it (data/mixing.h). The stream depends on
// (data set, augmentation, seed, position) alone, not on batch size, threads, or where it starts.
class TrainingStream {
 public:
  // Returns batches of `batch` samples for positions first, first + stride, ... up to `last`; stride 0: batch. threads
  // >= 1: worker threads that decode and augment ahead.
  TrainingStream(const Dataset& data, const Augmentation& augmentation, const Geometry& geometry, uint64_t seed,
                 int batch, int64_t first, int64_t last, int threads, int64_t stride = 0);
  ~TrainingStream();
  // The next batch; valid until the next call. Rethrows an Error of a worker. Seconds spent waiting are in waited().
  const Batch& next();
  double waited() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The order of the training stream, for code that prepares its images elsewhere.
class StreamOrder {
 public:
  StreamOrder(uint64_t seed, int64_t size) : seed_(seed), size_(size) {}
  // Of the positions from `position` on: the sample, and its epoch.
  template <class Index>
  void fill(int64_t position, int count, Index* samples, uint32_t* epochs = nullptr) {
    for (int i = 0; i < count; ++i) {
      go_to((position + i) / size_);
      samples[i] = static_cast<Index>(order_[static_cast<size_t>((position + i) % size_)]);
      if (epochs != nullptr) epochs[i] = static_cast<uint32_t>(epoch_);
    }
  }

 private:
  void go_to(int64_t epoch);

  uint64_t seed_;
  int64_t size_, epoch_ = -1;
  std::vector<uint32_t> order_;  // of the epoch
};

// What the threads that prepare images compute with them while they are in the cache.
struct StreamWork {
  int images = 1;      // at a time, a divisor of the batch
  size_t results = 0;  // floats for each image
  // Called after images first, first + 1, ..., first + images - 1 of the batch are prepared; writes their results into
  // the batch. Several calls run at once.
  std::function<void(Batch* batch, int first)> run;
};

// The whole set once, in order, without augmentation; the last batch may be shorter.
class EvaluationStream {
 public:
  EvaluationStream(const Dataset& data, const Augmentation& augmentation, const Geometry& geometry, int batch,
                   int threads, StreamWork work = {});
  ~EvaluationStream();
  // nullptr after the last batch.
  const Batch* next();

 private:
  std::unique_ptr<BatchRing> ring_;
};

}  // namespace dng::data
