// The updates of a training run: batches, teacher, passes, SGD. On the CPU, or on a GPU, where several updates are
// queued before their results are read.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "network/network.h"
#include "train/profile.h"
#include "train/ranks.h"
#include "train/schedule.h"
#include "train/teacher.h"

namespace dng::train {

struct StepsSettings {
  const data::Dataset& data;
  network::Network* network;
  TeacherSource* teacher;  // null: none
  const Schedule& schedule;
  uint64_t seed = 0;
  int threads = 1;
  int64_t first = 0;             // the first update of this run
  int64_t started = 0;           // the first of the training, with -resume of an earlier run
  int64_t statistics_from = 0;   // the update that the rolling statistics count from
  Profile* profile = nullptr;    // times are added to it
  const Ranks* ranks = nullptr;  // null: one process
  bool profiles_layers = false;  // on a GPU that costs time
};

// Of one update.
struct StepResult {
  double loss = 0;  // the cost, summed over its images; not finite: the update was not made, or is useless
  int64_t images = 0, correct = 0;
  double own_loss = 0;  // of this process's images
};

class Steps {
 public:
  virtual ~Steps() = default;
  // How many updates a call of run may ask for.
  virtual int64_t max_count() const = 0;
  // Makes updates first (counted from 0) to first + count - 1 and appends their results; stops after a loss that is not
  // finite.
  virtual void run(int64_t first, int64_t count, std::vector<StepResult>* results) = 0;
  // Seconds spent waiting for data.
  virtual double waited() const = 0;
};

// For the device that the network is on.
std::unique_ptr<Steps> make_steps(const StepsSettings& settings);
std::unique_ptr<Steps> make_gpu_steps(const StepsSettings& settings);

}  // namespace dng::train
