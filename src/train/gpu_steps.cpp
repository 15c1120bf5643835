// Updates on a GPU. A packed set lies on the device and is augmented there; other sets are prepared by the host's
// threads and copied. The first update runs as it is; then the work of an update is recorded once and run again and
// again, with what changes (gpu/step_input.h) brought to the device before each.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "data/pixels.h"
#include "gpu/executor.h"
#include "train/steps.h"

namespace dng::train {
namespace {

// Images of a packed set, and what augmentation draws for a batch.
class DeviceSet {
 public:
  // False where the set, or its augmentation, is left to the host.
  static bool fits(const data::Dataset& data, const graph::NetworkConfig& config) {
    const data::Augmentation a = config.augmentation();
    const data::Geometry shape = data.fixed_shape();
    return shape.size() > 0 && a.own && !a.random_resized_crop && shape.channels == config.input.channels &&
           shape.height + 2 * a.pad >= config.input.height && shape.width + 2 * a.pad >= config.input.width;
  }

  DeviceSet(const data::Dataset& data, const graph::NetworkConfig& config, gpu::Executor* network) {
    const data::Augmentation a = config.augmentation();
    data::check_augmentation(a, config.input);
    const data::Geometry shape = data.fixed_shape();
    const auto count = static_cast<size_t>(data.size());
    gpu::Gpu& gpu = network->gpu();
    const size_t table_bytes = 256 * sizeof(float) * static_cast<size_t>(shape.channels);
    if (!planes_.allocate(&gpu, count * shape.size()) || !labels_.allocate(&gpu, count * sizeof(int)) ||
        !table_.allocate(&gpu, table_bytes)) {
      fail("%s: out of memory on %s: the training set needs %s there, %s are free; raise subdivisions=",
           config.path.c_str(), gpu.name().c_str(), human_bytes(static_cast<double>(count * shape.size())).c_str(),
           human_bytes(static_cast<double>(gpu.free_bytes())).c_str());
    }
    std::vector<uint8_t> planes(count * shape.size());
    std::vector<int> labels(count);
    data::Image image;
    for (size_t i = 0; i < count; ++i) {
      data.decode(static_cast<int64_t>(i), &image);
      std::copy(image.planes.begin(), image.planes.end(),
                planes.begin() + static_cast<std::ptrdiff_t>(i * shape.size()));
      labels[i] = data.label(static_cast<int64_t>(i));
    }
    const data::PixelTable table(a, shape.channels);
    std::vector<float> values;
    for (int c = 0; c < shape.channels; ++c) values.insert(values.end(), table.channel(c), table.channel(c) + 256);
    gpu.copy_in(planes_.data(), planes.data(), planes.size());
    gpu.copy_in(labels_.data(), labels.data(), labels.size() * sizeof(int));
    gpu.copy_in(table_.data(), values.data(), table_bytes);
    gpu.finish();
    augment_ = {};
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
               config_.batch, config_.net.flag("nesterov")};
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
      require(images_.allocate(gpu_, bytes), bytes);
      pinned_images_.allocate(gpu_, kStages * bytes);
      pinned_labels_.allocate(gpu_, kStages * batch_ * sizeof(int));
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

  int64_t most() const override { return std::max(1, std::min(64, gpu::Executor::kSlots / config_.subdivisions)); }
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
        // More parts than there are slots: an update at a time, and the slots once more.
        if (pass - begin == static_cast<size_t>(gpu::Executor::kSlots)) {
          collect(begin);
          begin = pass;
        }
        bring(i, part, static_cast<int>(pass - begin));
        play(part + 1 == parts);
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

  void require(bool there, size_t bytes) const {
    if (there) return;
    fail("%s: out of memory on %s: %s more are needed, %s are free; raise subdivisions=", config_.path.c_str(),
         gpu_->name().c_str(), human_bytes(static_cast<double>(bytes)).c_str(),
         human_bytes(static_cast<double>(gpu_->free_bytes())).c_str());
  }

  // What the pass needs, on its way to the device.
  void bring(int64_t iteration, int part, int slot) {
    char* entry = pinned_input_.as<char>(input_bytes_ * static_cast<size_t>(slot));
    gpu::StepInput step;
    step.seed = s_.seed;
    step.position = iteration * config_.batch + part * config_.mini_batch;
    step.steps = iteration * config_.subdivisions + part;
    step.epoch = static_cast<double>(iteration) * config_.batch / static_cast<double>(s_.data.size());
    step.rate = static_cast<float>(s_.schedule.rate(iteration));
    step.count = config_.mini_batch;
    step.has_labels = 1;
    step.has_teacher = s_.teacher != nullptr ? 1 : 0;
    step.slot = slot;
    std::memcpy(entry, &step, sizeof step);
    if (set_) {
      auto* samples = reinterpret_cast<uint32_t*>(entry + sizeof step);
      order_.fill(step.position, config_.mini_batch, samples, samples + batch_);
    } else {
      bring_images();
    }
    if (s_.teacher != nullptr && teacher_ == nullptr) bring_targets(step.position);
    gpu_->copy_in(input_.data(), entry, input_bytes_);
  }

  void bring_images() {
    const double before = now_seconds();
    const data::Batch& batch = stream_->next();
    s_.profile->data += now_seconds() - before;
    const size_t stage = staged_ % kStages;
    if (staged_ >= kStages) gpu_->wait_for(kStageMark + stage);
    ++staged_;
    const size_t numbers = batch_ * config_.input.size();
    float* images = pinned_images_.as<float>() + stage * numbers;
    int* labels = pinned_labels_.as<int>() + stage * batch_;
    std::copy_n(batch.images.begin(), numbers, images);
    std::copy_n(batch.labels.begin(), batch_, labels);
    gpu_->copy_in(images_.data(), images, numbers * sizeof(float));
    gpu_->copy_in(network_->io().labels, labels, batch_ * sizeof(int));
    gpu_->mark(kStageMark + stage);
  }

  void bring_targets(int64_t position) {
    data::Batch batch;
    batch.position = position;
    batch.count = config_.mini_batch;
    const float* rows = s_.teacher->probabilities(batch);
    const size_t numbers = batch_ * static_cast<size_t>(config_.classes());
    const size_t stage = targets_staged_ % kStages;
    if (targets_staged_ >= kStages) gpu_->wait_for(kTargetMark + stage);
    ++targets_staged_;
    float* to = pinned_teacher_.as<float>() + stage * numbers;
    std::copy_n(rows, numbers, to);
    gpu_->copy_in(network_->io().teacher, to, numbers * sizeof(float));
    gpu_->mark(kTargetMark + stage);
  }

  void play(bool last) {
    if (s_.profiles_layers) return play_with_marks(last);
    std::unique_ptr<gpu::CapturedGraph>& recording = recordings_[last ? 1 : 0];
    if (recording == nullptr && records_ && warm_[last ? 1 : 0]) recording = record(last);
    if (recording == nullptr) {
      queue(last);
      warm_[last ? 1 : 0] = true;
      return;
    }
    recording->run();
    // The host does not come by the update itself.
    network_->parameters_changed();
  }

  // Null where it cannot be done. A real error comes again when the work runs.
  std::unique_ptr<gpu::CapturedGraph> record(bool last) {
    std::string why, error;
    gpu_->begin_capture();
    try {
      queue(last);
    } catch (const Error& e) {
      error = e.what();
    }
    std::unique_ptr<gpu::CapturedGraph> recording = gpu_->end_capture(&why);
    if (error.empty() && recording != nullptr) return recording;
    records_ = false;
    std::printf("%s: CUDA graph capture failed (%s); launching kernels one by one, which is slower\n",
                gpu_->name().c_str(), error.empty() ? why.c_str() : error.c_str());
    return nullptr;
  }

  void queue_images() {
    if (set_) {
      const auto* samples = input_.as<uint32_t>(sizeof(gpu::StepInput));
      set_->run(gpu_, input_.as<gpu::StepInput>(), samples, samples + batch_);
    } else {
      gpu_->operations().import_images(*gpu_, images_.as<float>(), config_.input, config_.mini_batch,
                                       network_->io().type, network_->io().images);
    }
  }

  void queue(bool last) {
    queue_images();
    if (teacher_ != nullptr) teacher_->run_forward(false, false);
    network_->run_forward(true, true);
    network_->run_backward();
    if (last) network_->run_update(update_);
  }

  void play_with_marks(bool last) {
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

  // Numbers of marks that no layer has.
  static constexpr size_t kStageMark = size_t{1} << 20, kTargetMark = kStageMark + kStages,
                          kTeacherMark = kTargetMark + kStages, kUpdateMark = kTeacherMark + 1;

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
  gpu::Pinned pinned_input_, pinned_images_, pinned_labels_, pinned_teacher_;
  std::unique_ptr<DeviceSet> set_;
  std::unique_ptr<data::TrainingStream> stream_;
  size_t staged_ = 0, targets_staged_ = 0;
  bool warm_[2] = {}, records_ = true;
  std::unique_ptr<gpu::CapturedGraph> recordings_[2];
};

}  // namespace

std::unique_ptr<Steps> make_gpu_steps(const StepsSettings& settings) { return std::make_unique<GpuSteps>(settings); }

}  // namespace dng::train
