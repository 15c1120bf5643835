// Sources of a student's soft targets: a frozen network that runs on the same batch, or a .targets file.
#pragma once

#include <memory>
#include <string>

#include "data/stream.h"
#include "network/network.h"

namespace dng::train {

class TeacherSource {
 public:
  virtual ~TeacherSource() = default;
  // [batch][classes] probabilities (temperature 1) for a training batch; valid until the next call.
  virtual const float* probabilities(const data::Batch& batch) = 0;
  // "cfg/a.cfg with backup/a_final.weights", "backup/a.targets".
  virtual std::string description() const = 0;
  // teacher_hash() in 16 hex digits: the same for a live teacher and a cache made with it.
  virtual std::string identity() const = 0;
  // A network on the GPU, which may read the student's images there; null: it is none.
  virtual gpu::Executor* device() { return nullptr; }
};

// The teacher's probabilities for a batch of `data`. Throws Error with its name where they are not finite.
const float* finite_probabilities(TeacherSource* teacher, const data::Batch& batch, const data::Dataset& data,
                                  int classes);

// Identity of a teacher: its layers and the bytes of its weights.
uint64_t teacher_hash(const std::string& cfg, const std::string& weights);

struct ChannelMap {
  float scale, shift;
};

// A network in evaluation mode: rolling statistics, no gradients; neither weights nor statistics ever change.
class LiveTeacher final : public TeacherSource {
 public:
  // Throws Error where the teacher cannot be read, has another number of classes, or another input size than `student`.
  // Its mean= and std= may differ: it sees the student's augmented images as it was trained on them.
  // `gpu`: what it runs on; null: the CPU.
  LiveTeacher(const cfg::Options& distill, const graph::NetworkConfig& student,
              const std::shared_ptr<gpu::Gpu>& gpu = nullptr);
  const float* probabilities(const data::Batch& batch) override;
  std::string description() const override { return description_; }
  std::string identity() const override { return identity_; }
  const network::Network& network() const { return network_; }
  gpu::Executor* device() override { return network_.device(); }

 private:
  // The batch's images with the teacher's mean= and std= instead of the student's.
  const float* input_of(const data::Batch& batch);

  network::Network network_;
  std::vector<ChannelMap> maps_;
  std::vector<float> images_;
  std::string description_, identity_;
};

}  // namespace dng::train
