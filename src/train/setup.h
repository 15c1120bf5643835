// What a training works with: opened and checked before its first step.
#pragma once

#include <memory>
#include <string>

#include "base/file_lock.h"
#include "data/data_file.h"
#include "data/dataset.h"
#include "network/network.h"
#include "train/ranks.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/teacher.h"
#include "train/trainer.h"

namespace dng::train {

struct Setup {
  // Throws Error for whatever does not fit together.
  Setup(const TrainSettings& settings, Ranks* ranks);

  TrainSettings settings;
  Ranks& ranks;
  data::DataFile data;
  graph::NetworkConfig config;
  int threads;
  std::unique_ptr<data::Dataset> train, valid;  // valid: null where the .data file names none
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<network::Network> network;
  std::unique_ptr<TeacherSource> teacher;  // null: none
  std::string base;                        // path of the files that the training writes, without their ends
  std::unique_ptr<FileLock> lock;          // of these files; null: another rank writes them
};

// Sets the network's weights: those of the state (with -resume), of a weights file, or fresh ones.
// Rank 0 alone reads files, and its state and network have to be handed to the others.
TrainingState start_state(Setup* setup);
// Does so; returns that state.
TrainingState of_first_rank(TrainingState state, Setup* setup);
// What all ranks must agree on.
std::vector<Ranks::Fact> facts_of(const Setup& setup);

// The lines before the first step.
void print_start(const Setup& setup);

}  // namespace dng::train
