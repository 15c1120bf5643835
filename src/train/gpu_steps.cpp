// Updates on a GPU. A packed set lies on the device and is augmented there; other sets are prepared by threads on the
// CPU and copied beside the update before. The first update runs kernel by kernel; then the work of an update is
// captured once as a CUDA graph, which is launched for every update after its inputs (gpu/step_input.h) were copied to
// the device.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "data/pixels.h"
#include "gpu/executor.h"
#include "gpu/repeated_work.h"
#include "train/adam.h"
#include "train/steps.h"

namespace dng::train {
namespace {

[[noreturn]] void fail_memory(gpu::Gpu& gpu, const std::string& cfg, size_t bytes, const char* what) {
  fail("%s: out of memory on %s: %s %s, %s are free; raise subdivisions=", cfg.c_str(), gpu.name().c_str(), what,
       human_bytes(static_cast<double>(bytes)).c_str(), human_bytes(static_cast<double>(gpu.free_bytes())).c_str());
}

// Images of a packed set, and what augmentation draws for a batch.
class DeviceSet {
 public:
  // False where the CPU prepares the images: image lists, and augmentation that the device does not have.
  static bool fits(const data::Dataset& data, const graph::NetworkConfig& config) {
    const data::Augmentation a = config.augmentation();
    const data::Geometry shape = data.fixed_shape();
    return shape.size() > 0 && a.own && !a.random_resized_crop && a.frame.size() == 0 && !a.mixing.any() &&
           shape.channels == config.input.channels && shape.height + 2 * a.pad >= config.input.height &&
           shape.width + 2 * a.pad >= config.input.width;
  }

  DeviceSet(const data::Dataset& data, const graph::NetworkConfig& config, gpu::Executor* network) {
    const data::Augmentation a = config.augmentation();
    const data::Geometry shape = data.fixed_shape();
    const auto count = static_cast<size_t>(data.size());
    gpu::Gpu& gpu = network->gpu();
    const size_t table_bytes = 256 * sizeof(float) * static_cast<size_t>(shape.channels);
    if (!planes_.allocate(&gpu, count * shape.size()) || !labels_.allocate(&gpu, count * sizeof(int)) ||
        !table_.allocate(&gpu, table_bytes)) {
      fail_memory(gpu, config.path, count * shape.size(), "the training set needs");
    }
    upload(data, data::PixelTable(a, shape.channels), &gpu);
    augment_.planes = planes_.as<uint8_t>();
    augment_.set_labels = labels_.as<int>();
    augment_.shape = shape;
    augment_.table = table_.as<float>();
    augment_.input = config.input;
    augment_.batch = config.mini_batch;
    augment_.pad = a.pad;
    augment_.mirror = a.mirror;
    augment_.type = network->io().type;
    augment_.images = network->io().images;
    augment_.labels = network->io().labels;
  }

  // samples, epochs: on the device, [batch].
  void run(gpu::Gpu* gpu, const gpu::StepInput* step, const uint32_t* samples, const uint32_t* epochs) {
    augment_.step = step;
    augment_.samples = samples;
    augment_.epochs = epochs;
    gpu->operations().augment(*gpu, augment_);
  }

 private:
  void upload(const data::Dataset& data, const data::PixelTable& table, gpu::Gpu* gpu) {
    std::vector<uint8_t> planes;
    std::vector<int> labels;
    std::vector<float> values;
    data::Image image;
    for (int64_t i = 0; i < data.size(); ++i) {
      data.decode(i, &image);
      planes.insert(planes.end(), image.planes.begin(), image.planes.end());
      labels.push_back(data.label(i));
    }
    for (int c = 0; c < image.shape.channels; ++c) {
      values.insert(values.end(), table.channel(c), table.channel(c) + 256);
    }
    gpu->copy_in(planes_.data(), planes.data(), planes.size());
    gpu->copy_in(labels_.data(), labels.data(), labels.size() * sizeof(int));
    gpu->copy_in(table_.data(), values.data(), values.size() * sizeof(float));
    gpu->finish();
  }

  gpu::Memory planes_, labels_, table_;
  gpu::Augment augment_{};
};

class GpuSteps final : public Steps {
 public:
  explicit GpuSteps(const StepsSettings& s)
      : s_(s),
        config_(s.network->config()),
        network_(s.network->device()),
        gpu_(&network_->gpu()),
        teacher_(s.teacher != nullptr ? s.teacher->device() : nullptr),
        batch_(static_cast<size_t>(config_.mini_batch)),
        order_(s.seed, s.data.size()) {
    update_ = {static_cast<float>(config_.net.real("momentum")), static_cast<float>(config_.net.real("decay")),
               config_.batch, config_.net.flag("nesterov"), adam_settings(config_.net)};
    // A pass's input: the step, then which images.
    input_bytes_ = sizeof(gpu::StepInput) + 2 * batch_ * sizeof(uint32_t);
    require(input_.allocate(gpu_, input_bytes_), input_bytes_);
    pinned_input_.allocate(gpu_, input_bytes_ * static_cast<size_t>(gpu::Executor::kSlots));
    network_->read_step(input_.as<gpu::StepInput>());
    if (DeviceSet::fits(s.data, config_)) {
      set_ = std::make_unique<DeviceSet>(s.data, config_, network_);
    } else {
      stream_ = std::make_unique<data::TrainingStream>(s.data, config_.augmentation(), config_.input, s.seed,
                                                       config_.mini_batch, s.first * config_.batch,
                                                       s.schedule.iterations() * config_.batch, s.threads);
      const size_t bytes = batch_ * config_.input.size() * sizeof(float);
      require(images_.allocate(gpu_, kStages * bytes), kStages * bytes);
      gpu_->finish();  // memory is zeroed in order with the work, which copies beside it do not wait for
      pinned_images_.allocate(gpu_, kStages * bytes);
      pinned_labels_.allocate(gpu_, kStages * batch_ * sizeof(int));
      mixes_ = config_.augmentation().mixing.kind != data::Mixing::Kind::kNone;
      if (mixes_) pinned_mixes_.allocate(gpu_, kStages * batch_ * sizeof(LabelMix));
    }
    if (teacher_ != nullptr) {
      teacher_->read_from(network_->io());
      network_->read_teacher(teacher_->io().probabilities);
    } else if (s.teacher != nullptr) {
      pinned_teacher_.allocate(gpu_, kStages * batch_ * static_cast<size_t>(config_.classes()) * sizeof(float));
    }
  }

  ~GpuSteps() override {
    network_->read_step(nullptr);
    if (teacher_ != nullptr) teacher_->read_step(nullptr);
  }
  GpuSteps(const GpuSteps&) = delete;
  GpuSteps& operator=(const GpuSteps&) = delete;

  int64_t max_count() const override { return std::max(1, std::min(64, gpu::Executor::kSlots / config_.subdivisions)); }
  double waited() const override { return stream_ ? stream_->waited() : 0; }

  void run(int64_t first, int64_t count, std::vector<StepResult>* results) override {
    const int parts = config_.subdivisions;
    std::vector<gpu::StepResult> found(static_cast<size_t>(count) * static_cast<size_t>(parts));
    size_t pass = 0;
    const auto collect = [&](size_t begin) {
      gpu_->copy_out(found.data() + begin, network_->io().results, (pass - begin) * sizeof found[0]);
    };
    size_t begin = 0;
    for (int64_t i = first; i < first + count; ++i) {
      for (int part = 0; part < parts; ++part, ++pass) {
        // More parts than slots: read the results so far, then use the slots again.
        if (pass - begin == static_cast<size_t>(gpu::Executor::kSlots)) {
          collect(begin);
          begin = pass;
        }
        copy_input(i, part, static_cast<int>(pass - begin));
        launch(part + 1 == parts);
      }
    }
    collect(begin);
    for (int64_t i = 0; i < count; ++i) {
      StepResult result;
      for (int part = 0; part < parts; ++part) {
        const gpu::StepResult& r = found[static_cast<size_t>(i * parts + part)];
        result.loss += r.loss;
        result.correct += r.correct;
        result.images += config_.mini_batch;
      }
      results->push_back(result);
      if (!std::isfinite(result.loss)) return;
    }
  }

 private:
  static constexpr size_t kStages = 2;

  void require(bool allocated, size_t bytes) const {
    if (!allocated) fail_memory(*gpu_, config_.path, bytes, "the inputs of a step need");
  }

  void copy_input(int64_t iteration, int part, int slot) {
    char* entry = pinned_input_.as<char>(input_bytes_ * static_cast<size_t>(slot));
    gpu::StepInput step;
    step.seed = s_.seed;
    step.position = iteration * config_.batch + part * config_.mini_batch;
    step.steps = (iteration - s_.statistics_from) * config_.subdivisions + part;
    step.epoch = s_.schedule.epochs_at(iteration);
    step.progress = s_.schedule.progress_at(iteration);
    step.rate = static_cast<float>(s_.schedule.rate(iteration));
    step.corrections = math::adam_corrections(update_.adam, iteration - s_.started + 1);
    step.count = config_.mini_batch;
    step.has_labels = 1;
    step.has_mixes = mixes_ ? 1 : 0;
    step.has_teacher = s_.teacher != nullptr ? 1 : 0;
    step.slot = slot;
    std::memcpy(entry, &step, sizeof step);
    if (set_) {
      auto* samples = reinterpret_cast<uint32_t*>(entry + sizeof step);
      order_.fill(step.position, config_.mini_batch, samples, samples + batch_);
    } else {
      copy_images();
    }
    if (s_.teacher != nullptr && teacher_ == nullptr) copy_targets(step.position);
    gpu_->copy_in(input_.data(), entry, input_bytes_);
  }

  void copy_images() {
    const double before = now_seconds();
    const data::Batch& batch = stream_->next();
    s_.profile->data += now_seconds() - before;
    const size_t stage = staged_ % kStages;
    // Until the images that were there before have been read.
    if (staged_ >= kStages) gpu_->wait_for(kStageMark + stage);
    ++staged_;
    const size_t count = batch_ * config_.input.size();
    float *images = pinned_images_.as<float>() + stage * count, *to = images_.as<float>() + stage * count;
    int* labels = pinned_labels_.as<int>() + stage * batch_;
    std::copy_n(batch.images.begin(), count, images);
    std::copy_n(batch.labels.begin(), batch_, labels);
    gpu_->copy_in_beside(to, images, count * sizeof(float), kCopyMark + stage);
    gpu_->copy_in(network_->io().labels, labels, batch_ * sizeof(int));
    if (mixes_) {
      LabelMix* mixes = pinned_mixes_.as<LabelMix>() + stage * batch_;
      std::copy_n(batch.mixes.begin(), batch_, mixes);
      gpu_->copy_in(network_->io().mixes, mixes, batch_ * sizeof(LabelMix));
    }
    gpu_->follow(kCopyMark + stage);
    gpu_->operations().import_images(*gpu_, to, config_.input, config_.mini_batch, network_->io().type,
                                     network_->io().images);
    gpu_->mark(kStageMark + stage);
  }

  void copy_targets(int64_t position) {
    data::Batch batch;
    batch.position = position;
    batch.count = config_.mini_batch;
    const float* rows = s_.teacher->probabilities(batch);
    const size_t count = batch_ * static_cast<size_t>(config_.classes());
    const size_t stage = targets_staged_ % kStages;
    if (targets_staged_ >= kStages) gpu_->wait_for(kTargetMark + stage);
    ++targets_staged_;
    float* to = pinned_teacher_.as<float>() + stage * count;
    std::copy_n(rows, count, to);
    gpu_->copy_in(network_->io().teacher, to, count * sizeof(float));
    gpu_->mark(kTargetMark + stage);
  }

  void launch(bool last) {
    if (s_.profiles_layers) return launch_with_marks(last);
    work_[last ? 1 : 0].run(gpu_, [&] { queue(last); });
    // A graph's update does not pass through run_update.
    network_->parameters_changed();
  }

  // Those of the host have been queued with their copy.
  void queue_images() {
    if (!set_) return;
    const auto* samples = input_.as<uint32_t>(sizeof(gpu::StepInput));
    set_->run(gpu_, input_.as<gpu::StepInput>(), samples, samples + batch_);
  }

  void queue(bool last) {
    queue_images();
    if (teacher_ != nullptr) teacher_->run_forward(false, false);
    network_->run_forward(true, true);
    network_->run_backward();
    if (last) network_->run_update(update_);
  }

  void launch_with_marks(bool last) {
    const int layers = network_->size();
    queue_images();
    gpu_->mark(kTeacherMark);
    if (teacher_ != nullptr) teacher_->run_forward(false, false);
    network_->run_forward(true, true, 0);
    network_->run_backward(layers + 1);
    if (last) network_->run_update(update_);
    gpu_->mark(kUpdateMark);
    gpu_->finish();
    const auto between = [&](int a, int b) {
      return gpu_->seconds_between(static_cast<size_t>(a), static_cast<size_t>(b));
    };
    for (int i = 0; i < layers; ++i) {
      graph::LayerTime& time = s_.network->times()[static_cast<size_t>(i)];
      time.forward += between(i, i + 1);
      const int turn = layers + 1 + (layers - 1 - i);
      time.backward += between(turn, turn + 1);
    }
    s_.profile->teacher += gpu_->seconds_between(kTeacherMark, 0);
    if (last) s_.profile->update += gpu_->seconds_between(static_cast<size_t>(2 * layers + 1), kUpdateMark);
  }

  // Marks that no layer has.
  static constexpr size_t kStageMark = size_t{1} << 20, kCopyMark = kStageMark + kStages,
                          kTargetMark = kCopyMark + kStages, kTeacherMark = kTargetMark + kStages,
                          kUpdateMark = kTeacherMark + 1;

  StepsSettings s_;
  const graph::NetworkConfig& config_;
  gpu::Executor* network_;
  gpu::Gpu* gpu_;
  gpu::Executor* teacher_;  // null: none, or one that is read from a file
  size_t batch_;
  data::StreamOrder order_;
  gpu::Executor::UpdateSettings update_{};
  size_t input_bytes_ = 0;
  gpu::Memory input_, images_;
  gpu::Pinned pinned_input_, pinned_images_, pinned_labels_, pinned_mixes_, pinned_teacher_;
  std::unique_ptr<DeviceSet> set_;
  std::unique_ptr<data::TrainingStream> stream_;
  bool mixes_ = false;  // images
  size_t staged_ = 0, targets_staged_ = 0;
  gpu::RepeatedWork work_[2];  // of a micro-batch, and of the last with the update
};

}  // namespace

std::unique_ptr<Steps> make_gpu_steps(const StepsSettings& settings) { return std::make_unique<GpuSteps>(settings); }

}  // namespace dng::train
