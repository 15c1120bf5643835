#include "train/teacher.h"

#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "base/text.h"
#include "layers/registry.h"
#include "network/weights.h"

namespace dng::train {
namespace {

graph::NetworkConfig read_teacher(const cfg::Options& distill, const graph::NetworkConfig& student) {
  const graph::NetworkConfig teacher =
      layers::read_network_config(distill.text("teacher"), student.translations.reading());
  teacher.translations.show();
  if (teacher.classes() != student.classes()) {
    fail("%s: the teacher has %d classes, the student %d; they must agree", distill.where("teacher").c_str(),
         teacher.classes(), student.classes());
  }
  if (teacher.input.channels != student.input.channels || teacher.input.height != student.input.height ||
      teacher.input.width != student.input.width) {
    fail("%s: the teacher's input is %dx%dx%d, the student's %dx%dx%d; they see the same batch and must agree",
         distill.where("teacher").c_str(), teacher.input.channels, teacher.input.height, teacher.input.width,
         student.input.channels, student.input.height, student.input.width);
  }
  graph::NetworkConfig beside = graph::with_mini_batch(teacher, student.mini_batch);
  beside.shards = student.shards;
  beside.ranks = student.ranks;
  return beside;
}

// What makes a value of the student's input one of the teacher's: x scale + shift, for each channel. Empty where the
// two normalise alike.
std::vector<ChannelMap> channel_maps(const graph::NetworkConfig& student, const graph::NetworkConfig& teacher) {
  const data::Augmentation s = student.augmentation(), t = teacher.augmentation();
  if (s.mean == t.mean && s.std == t.std) return {};
  const auto at = [](const std::vector<float>& values, size_t channel, float fallback) {
    return values.empty() ? fallback : values[channel];
  };
  std::vector<ChannelMap> maps;
  for (size_t c = 0; c < static_cast<size_t>(student.input.channels); ++c) {
    const float scale = at(s.std, c, 1) / at(t.std, c, 1);
    maps.push_back({scale, (at(s.mean, c, 0) - at(t.mean, c, 0)) / at(t.std, c, 1)});
  }
  return maps;
}

// On a GPU a teacher reads the student's images, so it has its precision.
network::NetworkSettings evaluation_settings(std::shared_ptr<gpu::Gpu> gpu, const graph::NetworkConfig& student) {
  network::NetworkSettings settings = network::NetworkSettings::evaluation(false, std::move(gpu));
  settings.precision_of = &student;
  return settings;
}

}  // namespace

uint64_t teacher_hash(const std::string& cfg, const std::string& weights) {
  Hash hash;
  const graph::NetworkConfig config = graph::with_mini_batch(layers::read_network_config(cfg), 1);
  hash.add(config.host_text());
  // What Darknet does not see, because another section stands in.
  for (const graph::LayerConfig& layer : config.layers) {
    for (const cfg::CfgEntry& entry : layer.options.host_entries()) hash.add(entry.key + "=" + entry.value + "\n");
  }
  const data::Augmentation augmentation = config.augmentation();
  for (const std::vector<float>& values : {augmentation.mean, augmentation.std}) {
    if (!values.empty()) hash.add(values.data(), values.size() * sizeof(float));
  }
  hash.add(read_file(weights, "the teacher's weights file"));
  return hash.value();
}

const float* finite_probabilities(TeacherSource* teacher, const data::Batch& batch, const data::Dataset& data,
                                  int classes) {
  const float* rows = teacher->probabilities(batch);
  for (int b = 0; b < batch.count; ++b) {
    if (all_finite(rows + static_cast<size_t>(b) * static_cast<size_t>(classes), static_cast<size_t>(classes)))
      continue;
    fail("%s: the teacher's outputs are not finite for %s; use earlier weights of it, or train it again",
         teacher->description().c_str(), data.sample_name(batch.samples[static_cast<size_t>(b)]).c_str());
  }
  return rows;
}

LiveTeacher::LiveTeacher(const cfg::Options& distill, const graph::NetworkConfig& student,
                         const std::shared_ptr<gpu::Gpu>& gpu)
    : network_(read_teacher(distill, student), evaluation_settings(gpu, student)),
      maps_(channel_maps(student, network_.config())) {
  if (!maps_.empty() && gpu != nullptr) {
    fail(
        "%s: on a GPU the teacher reads the student's images, and mean= and std= of %s differ; train with -nogpu, or "
        "with cached targets=",
        student.path.c_str(), distill.text("teacher").c_str());
  }
  const std::string weights = distill.text("teacher_weights");
  network::load_weights(weights, &network_);
  network_.freeze();
  description_ = distill.text("teacher") + " with " + weights;
  identity_ = hex(teacher_hash(distill.text("teacher"), weights));
}

const float* LiveTeacher::input_of(const data::Batch& batch) {
  if (maps_.empty()) return batch.images.data();
  images_.resize(batch.images.size());
  const data::Geometry& input = network_.config().input;
  const size_t plane = static_cast<size_t>(input.height) * static_cast<size_t>(input.width);
  for (size_t i = 0; i < images_.size(); ++i) {
    const ChannelMap& map = maps_[i / plane % maps_.size()];
    images_[i] = batch.images[i] * map.scale + map.shift;
  }
  return images_.data();
}

const float* LiveTeacher::probabilities(const data::Batch& batch) {
  graph::Pass pass;
  pass.input = input_of(batch);
  pass.count = batch.count;
  network_.forward(&pass);
  return network_.probabilities();
}

}  // namespace dng::train
