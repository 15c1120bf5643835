#include "data/stream.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "data/batch_ring.h"
#include "data/image_file.h"

namespace dng::data {
namespace {

// How many samples a worker takes at once: enough to make the lock negligible, few enough that all workers finish a
// batch together.
int samples_per_task(int batch, int threads) { return std::clamp(batch / (4 * std::max(1, threads)), 1, 16); }

void check_batch(int batch) {
  if (batch < 1) fail("batch = %d; allowed: 1 or more", batch);
}

void resize_batch(int count, const Geometry& geometry, Batch* batch) {
  const auto samples = static_cast<size_t>(count);
  batch->count = count;
  batch->images.resize(samples * geometry.size());
  batch->labels.resize(samples);
  batch->samples.resize(samples);
}

// Errors of `prepare` do not name the image; that is added here.
template <typename Prepare>
void decode_and_prepare(const Dataset& data, int64_t sample, Image* image, const Prepare& prepare) {
  data.decode(sample, image);
  try {
    prepare(*image);
  } catch (const Error& error) {
    fail("%s: %s", data.sample_name(sample).c_str(), error.what());
  }
}

}  // namespace

void StreamOrder::go_to(int64_t epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  order_ = epoch_order(seed_, static_cast<uint64_t>(epoch), static_cast<uint32_t>(size_));
}

struct TrainingStream::State {
  State(const Dataset& dataset, const Augmentation& keys, const Geometry& shape, uint64_t run_seed)
      : data(dataset),
        augmentation(keys),
        geometry(shape),
        seed(run_seed),
        size(dataset.size()),
        order(run_seed, dataset.size()) {}

  const Dataset& data;
  const Augmentation augmentation;
  const Geometry geometry;
  const uint64_t seed;
  const int64_t size;
  StreamOrder order;                // used by begin() alone, which never runs twice at once
  std::unique_ptr<BatchRing> ring;  // last: its threads use the members above

  void begin(int64_t position, int count, Batch* batch);
  void fill(Batch* batch, int i, DecodeBuffers* buffers) const;

 private:
  void augment(int64_t sample, CounterRandom* random, DecodeBuffers* buffers, float* out) const;
  void mix(CounterRandom* random, Batch* batch, size_t i, DecodeBuffers* buffers) const;
};

void TrainingStream::State::begin(int64_t position, int count, Batch* batch) {
  batch->position = position;
  resize_batch(count, geometry, batch);
  if (augmentation.mixing.kind != Mixing::Kind::kNone) batch->mixes.resize(static_cast<size_t>(count));
  order.fill(position, count, batch->samples.data());
}

void TrainingStream::State::fill(Batch* batch, int i, DecodeBuffers* buffers) const {
  const auto index = static_cast<size_t>(i);
  const int64_t sample = batch->samples[index];
  const auto its_epoch = static_cast<uint64_t>((batch->position + i) / size);
  CounterRandom random(seed, Stream::kAugment, its_epoch, static_cast<uint64_t>(sample));
  augment(sample, &random, buffers, batch->images.data() + index * geometry.size());
  batch->labels[index] = data.label(sample);
  if (!augmentation.mixing.any()) return;
  CounterRandom mixing(seed, Stream::kMix, its_epoch, static_cast<uint64_t>(sample));
  mix(&mixing, batch, index, buffers);
}

void TrainingStream::State::augment(int64_t sample, CounterRandom* random, DecodeBuffers* buffers, float* out) const {
  if (uses_part(augmentation, geometry)) {
    data.decode_part(
        sample, [&](const Geometry& shape) { return draw_rectangle(shape, random); }, &buffers->part);
    augment_part(buffers->part, augmentation, geometry, random, out);
    return;
  }
  decode_and_prepare(data, sample, &buffers->image,
                     [&](const Image& image) { augment_for_training(image, augmentation, geometry, random, out); });
}

// `random` draws the augmentation of the other images, too.
void TrainingStream::State::mix(CounterRandom* random, Batch* batch, size_t i, DecodeBuffers* buffers) const {
  float* image = batch->images.data() + i * geometry.size();
  const Mix mix = draw_mix(augmentation.mixing, geometry, size, random);
  LabelMix label{};
  label.classes[0] = batch->labels[i];
  label.weights[0] = mix.weight(-1, geometry);
  buffers->mixed.resize(geometry.size());
  for (int k = 0; k < mix.count; ++k) {
    augment(mix.parts[k].sample, random, buffers, buffers->mixed.data());
    mix_part(mix, k, buffers->mixed.data(), geometry, image);
    label.classes[k + 1] = data.label(mix.parts[k].sample);
    label.weights[k + 1] = mix.weight(k, geometry);
  }
  if (mix.blurred) blur_image(augmentation.mixing.blur, geometry, image);
  if (batch->mixes.empty()) return;
  batch->labels[i] = main_class(label);
  batch->mixes[i] = label;
}

TrainingStream::TrainingStream(const Dataset& data, const Augmentation& augmentation, const Geometry& geometry,
                               uint64_t seed, int batch, int64_t first, int64_t last, int threads, int64_t stride)
    : state_(std::make_unique<State>(data, augmentation, geometry, seed)) {
  prepare_opencv();
  check_crop(augmentation, geometry);
  check_batch(batch);
  if (state_->size < 1 || state_->size > std::numeric_limits<uint32_t>::max()) {
    fail("train set has %lld images; allowed: 1 to %u", static_cast<long long>(state_->size),
         std::numeric_limits<uint32_t>::max());
  }
  if (first < 0 || last < first) {
    fail("training from position %lld to %lld; allowed: 0 <= first <= last", static_cast<long long>(first),
         static_cast<long long>(last));
  }
  if (stride == 0) stride = batch;
  const int64_t batches = (last - first) / stride + ((last - first) % stride != 0 ? 1 : 0);
  State* state = state_.get();
  state->ring = std::make_unique<BatchRing>(
      batches, threads, samples_per_task(batch, threads),
      [=](int64_t index, Batch* into) { state->begin(first + index * stride, batch, into); },
      [=](Batch* into, int i, DecodeBuffers* buffers) { state->fill(into, i, buffers); });
}

TrainingStream::~TrainingStream() = default;

const Batch& TrainingStream::next() {
  const Batch* batch = state_->ring->next();
  if (batch == nullptr) fail("internal error: the training stream is at its end");
  return *batch;
}

double TrainingStream::waited() const { return state_->ring->waited(); }

EvaluationStream::EvaluationStream(const Dataset& data, const Augmentation& augmentation, const Geometry& geometry,
                                   int batch, int threads, StreamWork work) {
  prepare_opencv();
  check_batch(batch);
  const int64_t size = data.size();
  const int per_task = work.run ? work.images : samples_per_task(batch, threads);
  const auto capacity = static_cast<size_t>(batch);
  ring_ = std::make_unique<BatchRing>(
      size / batch + (size % batch != 0 ? 1 : 0), threads, per_task,
      [=, results = work.results](int64_t index, Batch* into) {
        into->position = index * batch;
        resize_batch(static_cast<int>(std::min<int64_t>(batch, size - into->position)), geometry, into);
        into->images.resize(capacity * geometry.size());
        into->results.resize(capacity * results);
        for (int i = 0; i < into->count; ++i) into->samples[static_cast<size_t>(i)] = into->position + i;
      },
      [&data, augmentation, geometry](Batch* into, int i, DecodeBuffers* buffers) {
        const auto index = static_cast<size_t>(i);
        const int64_t sample = into->samples[index];
        decode_and_prepare(data, sample, &buffers->image, [&](const Image& image) {
          prepare_for_evaluation(image, augmentation, geometry, into->images.data() + index * geometry.size());
        });
        into->labels[index] = data.label(sample);
      },
      std::move(work.run));
}

EvaluationStream::~EvaluationStream() = default;

const Batch* EvaluationStream::next() { return ring_->next(); }

}  // namespace dng::data
