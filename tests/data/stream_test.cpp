#include "data/stream.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;
using test::pattern_image;

constexpr data::Geometry kShape = {3, 8, 8};

// A set in memory whose images can be slow or broken.
class FakeSet : public data::Dataset {
 public:
  explicit FakeSet(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  int label(int64_t index) const override { return static_cast<int>(index % 10); }
  void decode(int64_t index, data::Image* image) const override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++decoded;
    }
    changed_.notify_all();
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    if (sigismember(&mask, SIGINT) == 0 || sigismember(&mask, SIGTERM) == 0) ++open_to_signals;
    if (sigismember(&mask, SIGSEGV) != 0) ++blind_to_faults;
    const int pause = index == slow ? 300 : milliseconds.load();
    if (pause > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    if (std::count(broken.begin(), broken.end(), index) != 0) fail("image %d is broken", static_cast<int>(index));
    *image = pattern_image(index == odd_shape ? data::Geometry{3, 4, 4} : kShape, static_cast<int>(index));
  }
  std::string sample_name(int64_t index) const override { return "sample " + std::to_string(index); }
  std::string description() const override { return "fake"; }
  uint64_t hash() const override { return 0; }
  // Returns once decoding of so many images has begun.
  void wait_for_decoded(int images) const {
    std::unique_lock<std::mutex> lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return decoded >= images; }));
  }

  std::atomic<int> milliseconds{0};
  std::vector<int64_t> broken;
  int64_t slow = -1;
  int64_t odd_shape = -1;
  mutable std::atomic<int> decoded{0}, open_to_signals{0}, blind_to_faults{0};

 private:
  int64_t size_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
};

data::Augmentation padded() {
  data::Augmentation augmentation;
  augmentation.own = true;
  augmentation.pad = 2;
  augmentation.mirror = true;
  return augmentation;
}

struct Seen {
  std::vector<float> image;
  int label = 0;
  int64_t sample = 0;
  bool operator==(const Seen& other) const {
    return image == other.image && label == other.label && sample == other.sample;
  }
};

void collect(const data::Batch& batch, std::map<int64_t, Seen>* seen) {
  const size_t size = kShape.size();
  for (size_t i = 0; i < static_cast<size_t>(batch.count); ++i) {
    const auto start = batch.images.begin() + static_cast<std::ptrdiff_t>(i * size);
    (*seen)[batch.position + static_cast<int64_t>(i)] = {
        {start, start + static_cast<std::ptrdiff_t>(size)}, batch.labels[i], batch.samples[i]};
  }
}

std::map<int64_t, Seen> train(const data::Dataset& data, uint64_t seed, int batch, int64_t first, int64_t last,
                              int threads, int64_t stride = 0) {
  data::TrainingStream stream(data, padded(), kShape, seed, batch, first, last, threads, stride);
  std::map<int64_t, Seen> seen;
  for (int64_t position = first; position < last; position += stride == 0 ? batch : stride) {
    const data::Batch& made = stream.next();
    EXPECT_EQ(made.position, position);
    EXPECT_EQ(made.count, batch);
    collect(made, &seen);
  }
  return seen;
}

TEST(TrainingStream, DoesNotDependOnThreadsBatchOrStart) {
  const FakeSet data(23);
  const auto expected = train(data, 7, 1, 0, 120, 1);
  ASSERT_EQ(expected.size(), 120u);
  EXPECT_EQ(train(data, 7, 1, 0, 120, 4), expected);
  EXPECT_EQ(train(data, 7, 8, 0, 120, 1), expected);
  EXPECT_EQ(train(data, 7, 8, 0, 120, 5), expected);
  EXPECT_EQ(train(data, 7, 60, 0, 120, 3), expected);
  const auto resumed = train(data, 7, 10, 50, 120, 3);
  ASSERT_EQ(resumed.size(), 70u);
  for (const auto& entry : resumed) EXPECT_EQ(entry.second, expected.at(entry.first)) << entry.first;
  EXPECT_NE(train(data, 8, 1, 0, 120, 1), expected);
}

// What a process gets that shares batches with two others.
TEST(TrainingStream, AStrideLeavesPositionsOut) {
  const FakeSet data(23);
  const auto expected = train(data, 7, 1, 0, 120, 1);
  const auto seen = train(data, 7, 4, 8, 120, 2, 12);
  ASSERT_EQ(seen.size(), 40u);
  for (const auto& [position, sample] : seen) {
    EXPECT_EQ(position % 12 / 4, 2);
    EXPECT_EQ(sample, expected.at(position));
  }
}

TEST(TrainingStream, EveryEpochVisitsEverySampleOnce) {
  const FakeSet data(23);
  const auto seen = train(data, 7, 10, 0, 230, 2);
  std::vector<int64_t> previous;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < 23; ++i) order.push_back(seen.at(epoch * 23 + i).sample);
    EXPECT_NE(order, previous);
    previous = order;
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < 23; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  }
}

TEST(TrainingStream, SamplesComeWithTheirLabelsAndAugmentation) {
  const FakeSet data(23);
  int augmented = 0;
  for (const auto& entry : train(data, 7, 23, 0, 46, 2)) {
    const Seen& seen = entry.second;
    EXPECT_EQ(seen.label, static_cast<int>(seen.sample % 10));
    std::vector<float> expected(kShape.size());
    CounterRandom random(7, Stream::kAugment, static_cast<uint64_t>(entry.first / 23),
                         static_cast<uint64_t>(seen.sample));
    const data::Image image = pattern_image(kShape, static_cast<int>(seen.sample));
    data::augment_for_training(image, padded(), kShape, &random, expected.data());
    EXPECT_EQ(seen.image, expected);
    data::prepare_for_evaluation(image, padded(), kShape, expected.data());
    augmented += seen.image != expected ? 1 : 0;
  }
  EXPECT_GT(augmented, 40);
}

TEST(TrainingStream, BatchesMayBeLargerThanTheSet) {
  const FakeSet data(3);
  const auto seen = train(data, 7, 10, 0, 30, 2);
  EXPECT_EQ(seen, train(data, 7, 1, 0, 30, 1));
}

TEST(TrainingStream, LastBatchIsWhole) {
  const FakeSet data(23);
  data::TrainingStream stream(data, padded(), kShape, 7, 10, 0, 11, 2);
  EXPECT_EQ(stream.next().count, 10);
  EXPECT_EQ(stream.next().count, 10);
  expect_error([&] { stream.next(); }, {"end"});
  expect_error([&] { stream.next(); }, {"end"});
}

TEST(TrainingStream, WorksAheadButNotWithoutBound) {
  const FakeSet data(1000);
  data::TrainingStream stream(data, padded(), kShape, 7, 10, 0, 1000, 2);
  for (int taken = 1; taken <= 50; ++taken) {
    stream.next();
    data.wait_for_decoded(10 * (taken + 2));
    ASSERT_EQ(data.decoded, 10 * (taken + 2));
  }
}

TEST(TrainingStream, BatchStaysValidUntilTheNextCall) {
  const FakeSet data(50);
  data::TrainingStream stream(data, padded(), kShape, 7, 5, 0, 100, 2);
  for (int i = 0; i < 20; ++i) {
    const data::Batch& batch = stream.next();
    const data::Batch copy = batch;
    data.wait_for_decoded(std::min(5 * (i + 3), 100));  // the workers are as far ahead as they may be
    ASSERT_EQ(batch.images, copy.images);
    ASSERT_EQ(batch.position, 5 * i);
  }
}

TEST(TrainingStream, BrokenImagesReachNextWhateverTheThreads) {
  for (const int threads : {1, 2, 8}) {
    FakeSet data(40);
    // The first of both in the order of the epoch is what next() must give.
    data.broken = {11, 12};
    std::vector<uint32_t> order = epoch_order(7, 0, 40);
    const auto bad = std::find_if(order.begin(), order.end(), [](uint32_t i) { return i == 11 || i == 12; });
    const auto good_batches = (bad - order.begin()) / 4;
    data::TrainingStream stream(data, padded(), kShape, 7, 4, 0, 40, threads);
    for (int64_t i = 0; i < good_batches; ++i) EXPECT_EQ(stream.next().position, 4 * i);
    const std::string message = format("image %u is broken", *bad);
    expect_error([&] { stream.next(); }, {message});
    expect_error([&] { stream.next(); }, {message});
  }
}

TEST(TrainingStream, FirstBrokenImageOfABatchIsReportedEvenIfItIsSlow) {
  FakeSet data(40);
  const std::vector<uint32_t> order = epoch_order(7, 0, 40);
  data.broken = {order[0], order[7]};
  data.slow = order[0];
  data::TrainingStream stream(data, padded(), kShape, 7, 8, 0, 40, 2);
  expect_error([&] { stream.next(); }, {format("image %u is broken", order[0])});
}

TEST(TrainingStream, ImagesThatDoNotFitAreNamed) {
  FakeSet data(40);
  data.odd_shape = 17;
  data::Augmentation augmentation = padded();
  augmentation.pad = 0;
  data::TrainingStream stream(data, augmentation, kShape, 7, 40, 0, 40, 2);
  expect_error([&] { stream.next(); }, {"sample 17: image of 4x4"});
}

TEST(TrainingStream, StopsAtOnceInTheMiddleOfWork) {
  FakeSet data(1000);
  data.milliseconds = 200;
  const auto start = std::chrono::steady_clock::now();
  { const data::TrainingStream stream(data, padded(), kShape, 7, 500, 0, 100000, 2); }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // What a worker takes at once would last 3.2 seconds, a batch 50.
  EXPECT_LT(seconds, 1.6);
  EXPECT_LT(data.decoded, 10);
}

TEST(TrainingStream, WaitedIsTheTimeNextBlocked) {
  FakeSet data(100);
  data.milliseconds = 20;
  data::TrainingStream stream(data, padded(), kShape, 7, 5, 0, 1000, 1);
  EXPECT_EQ(stream.waited(), 0);
  stream.next();
  EXPECT_GT(stream.waited(), .05);
  const double before = stream.waited();
  data.milliseconds = 0;
  data.wait_for_decoded(15);  // the third batch is full, so the second one, that next() returns, is ready
  stream.next();
  EXPECT_EQ(stream.waited(), before);
}

TEST(TrainingStream, WorkersLeaveSignalsToTheMainThread) {
  const FakeSet data(20);
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  train(data, 7, 10, 0, 20, 2);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(data.decoded, 20);
  EXPECT_EQ(data.open_to_signals, 0);
  EXPECT_EQ(data.blind_to_faults, 0);
  EXPECT_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
  // The control: the check sees this thread's open mask.
  data::Image image;
  data.decode(0, &image);
  EXPECT_EQ(data.open_to_signals, 1);
}

TEST(TrainingStream, ImpossibleRequestsAreRefused) {
  const FakeSet data(20), empty(0);
  expect_error([&] { data::TrainingStream(data, padded(), kShape, 7, 0, 0, 20, 1); }, {"batch = 0"});
  expect_error([&] { data::TrainingStream(data, padded(), kShape, 7, 10, 0, 20, 0); }, {"-threads 0"});
  expect_error([&] { data::TrainingStream(data, padded(), kShape, 7, 10, 20, 10, 1); }, {"20 to 10"});
  expect_error([&] { data::TrainingStream(empty, padded(), kShape, 7, 10, 0, 20, 1); }, {"0 images"});
  data::Augmentation wrong;
  wrong.max_crop = 1;
  expect_error([&] { data::TrainingStream(data, wrong, kShape, 7, 10, 0, 20, 1); }, {"max_crop"});
  expect_error([&] { data::EvaluationStream(data, padded(), kShape, 0, 1); }, {"batch = 0"});
}

TEST(EvaluationStream, VisitsEverySampleOnceInOrder) {
  const FakeSet data(23);
  for (const int threads : {1, 4}) {
    for (const int batch : {1, 5, 23, 100}) {
      data::EvaluationStream stream(data, padded(), kShape, batch, threads);
      std::map<int64_t, Seen> seen;
      int batches = 0;
      while (const data::Batch* made = stream.next()) {
        EXPECT_EQ(made->position, batches * batch);
        EXPECT_EQ(made->count, std::min(batch, 23 - batches * batch));
        EXPECT_EQ(made->labels.size(), static_cast<size_t>(made->count));
        ASSERT_EQ(made->images.size(), static_cast<size_t>(batch) * kShape.size());
        const size_t end = static_cast<size_t>(made->count) * kShape.size();
        EXPECT_TRUE(std::all_of(made->images.begin() + static_cast<std::ptrdiff_t>(end), made->images.end(),
                                [](float value) { return value == 0; }));
        collect(*made, &seen);
        ++batches;
      }
      EXPECT_EQ(stream.next(), nullptr);
      ASSERT_EQ(seen.size(), 23u);
      for (const auto& entry : seen) {
        std::vector<float> expected(kShape.size());
        data::prepare_for_evaluation(pattern_image(kShape, static_cast<int>(entry.first)), padded(), kShape,
                                     expected.data());
        EXPECT_EQ(entry.second.sample, entry.first);
        EXPECT_EQ(entry.second.label, static_cast<int>(entry.first % 10));
        EXPECT_EQ(entry.second.image, expected);
      }
    }
  }
}

TEST(EvaluationStream, BrokenImagesReachNext) {
  FakeSet data(23);
  data.broken = {12, 11};
  data::EvaluationStream stream(data, padded(), kShape, 5, 3);
  EXPECT_NE(stream.next(), nullptr);
  EXPECT_NE(stream.next(), nullptr);
  expect_error([&] { stream.next(); }, {"image 11 is broken"});
}

// Puts down the sum of every image and twice that.
data::StreamWork sums(int images, std::atomic<int>* turns) {
  return {images, 2, [=](data::Batch* batch, int first) {
            ++*turns;
            for (size_t i = static_cast<size_t>(first); i < static_cast<size_t>(first + images); ++i) {
              const float* image = batch->images.data() + i * kShape.size();
              batch->results[2 * i] = std::accumulate(image, image + kShape.size(), 0.0f);
              batch->results[2 * i + 1] = 2 * batch->results[2 * i];
            }
          }};
}

TEST(EvaluationStream, WorkIsDoneOnEveryImageOnce) {
  const FakeSet data(23);
  for (const int threads : {1, 4}) {
    for (const auto& [batch, images] : {std::pair(1, 1), std::pair(6, 2), std::pair(6, 6), std::pair(30, 5)}) {
      std::atomic<int> turns{0};
      data::EvaluationStream stream(data, padded(), kShape, batch, threads, sums(images, &turns));
      int64_t count = 0;
      while (const data::Batch* made = stream.next()) {
        ASSERT_EQ(made->results.size(), 2 * static_cast<size_t>(batch));
        for (size_t i = 0; i < static_cast<size_t>(made->count); ++i) {
          const float* image = made->images.data() + i * kShape.size();
          const float sum = std::accumulate(image, image + kShape.size(), 0.0f);
          EXPECT_NE(sum, 0);
          EXPECT_EQ(made->results[2 * i], sum);
          EXPECT_EQ(made->results[2 * i + 1], 2 * sum);
        }
        count += made->count;
      }
      EXPECT_EQ(count, 23);
      // The last turn of a batch may be shorter, and then it is the set's last.
      EXPECT_EQ(turns, (23 + images - 1) / images);
    }
  }
}

TEST(EvaluationStream, ErrorsOfTheWorkReachNext) {
  const FakeSet data(23);
  data::StreamWork work;
  work.images = 2;
  work.run = [](data::Batch* batch, int first) {
    if (batch->position + first >= 8) fail("no work on image %d", static_cast<int>(batch->position) + first);
  };
  data::EvaluationStream stream(data, padded(), kShape, 4, 3, work);
  EXPECT_NE(stream.next(), nullptr);
  EXPECT_NE(stream.next(), nullptr);
  expect_error([&] { stream.next(); }, {"no work on image 8"});
}

TEST(EvaluationStream, NoWorkIsDoneOnBrokenImages) {
  FakeSet data(23);
  data.broken = {5};
  std::set<int64_t> turns;
  {
    data::StreamWork work;
    work.images = 2;
    work.run = [&](data::Batch* batch, int first) { turns.insert(batch->position + first); };
    data::EvaluationStream stream(data, padded(), kShape, 4, 1, work);
    EXPECT_NE(stream.next(), nullptr);
    expect_error([&] { stream.next(); }, {"image 5 is broken"});
  }
  EXPECT_EQ(turns.count(2), 1U);
  EXPECT_EQ(turns.count(4), 0U);
}

TEST(EvaluationStream, RealFashionMnistComesThroughUnchanged) {
  const std::string real = test::fashion_mnist_folder();
  if (real.empty()) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const auto data = data::open_dataset(test::data_with_classes(10), real + "/t10k-images-idx3-ubyte.gz", "valid");
  data::EvaluationStream stream(*data, data::Augmentation(), {1, 28, 28}, 128, 2);
  int64_t count = 0;
  while (const data::Batch* batch = stream.next()) {
    data::Image image;
    data->decode(batch->position, &image);
    for (size_t i = 0; i < image.planes.size(); ++i) {
      ASSERT_EQ(batch->images[i], static_cast<float>(image.planes[i] / 255.));
    }
    count += batch->count;
  }
  EXPECT_EQ(count, 10000);
}

TEST(TrainingStream, RealCifar100GivesTheSameBatchesForAnyNumberOfThreads) {
  const std::string real = test::cifar100_folder();
  if (real.empty()) GTEST_SKIP() << "CIFAR100 is not there";
  const auto data = data::open_dataset(test::data_with_classes(100), real + "/test.bin", "train");
  data::Augmentation augmentation = padded();
  augmentation.pad = 4;
  data::TrainingStream one(*data, augmentation, {3, 32, 32}, 1, 128, 0, 12800, 1);
  data::TrainingStream three(*data, augmentation, {3, 32, 32}, 1, 128, 0, 12800, 3);
  for (int i = 0; i < 100; ++i) {
    const data::Batch& a = one.next();
    const data::Batch& b = three.next();
    ASSERT_EQ(a.samples, b.samples);
    ASSERT_EQ(a.labels, b.labels);
    ASSERT_EQ(a.images, b.images);
  }
}

}  // namespace
}  // namespace dng
