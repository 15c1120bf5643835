// What a training works with: opened and checked before its first step.
#pragma once

#include <memory>
#include <string>

#include "base/file_lock.h"
#include "data/data_file.h"
#include "data/dataset.h"
#include "network/network.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/teacher.h"
#include "train/trainer.h"

namespace dng::train {

struct Setup {
  // Throws Error for whatever does not fit together.
  explicit Setup(const TrainSettings& settings);

  TrainSettings settings;
  data::DataFile data;
  graph::NetworkConfig config;
  int threads;
  std::unique_ptr<data::Dataset> train, valid;  // valid: null where the .data file names none
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<network::Network> network;
  std::unique_ptr<TeacherSource> teacher;  // null: none
  std::string base;                        // path of the files that the training writes, without their ends
  std::unique_ptr<FileLock> lock;          // of these files
};

// Sets the network's weights: those of the state (with -resume), of a weights file, or fresh ones.
TrainingState start_state(Setup* setup);

// The lines before the first step.
void print_start(const Setup& setup);

}  // namespace dng::train
