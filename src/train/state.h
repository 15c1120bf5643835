// .state files: everything that -resume needs to go on bit for bit.
//
//   "DNGSTATE 1\n", "key value\n" lines, an empty line; then float32 for every block of the .weights order, the values
//   and, if it has them, the momentum and Adam's second moment; then 16 hex digits, the hash of everything before.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "network/network.h"

namespace dng::train {

struct TrainingState {
  // What must be the same when the run is resumed ("seed", "data", "network", "augmentation", "batch", ...).
  std::map<std::string, std::string> identity;
  // What must be the same for the same bits ("device", "instructions").
  std::map<std::string, std::string> machine;

  int64_t iteration = 0;     // updates done, with those of the weights that the training started from
  int64_t started = 0;       // of them, before this training
  double average_loss = -1;  // Darknet's running average; below zero: none yet
  double best_top1 = -1;
  int64_t best_epoch = 0;
  // Of the current epoch.
  double epoch_loss = 0;
  int64_t epoch_images = 0, epoch_correct = 0;
  double epoch_seconds = 0;
  // The update that the rolling statistics count from: above 0 where layers started fresh beside loaded ones.
  int64_t statistics_from = 0;
  int64_t pending_epoch = 0;      // an epoch whose last update is done and whose validation is not; 0: none
  std::vector<std::string> rows;  // of the .csv, without the header
};

void save_state(const std::string& path, const TrainingState& state, const network::Network& network);
// The updates that a state has behind it; -1 where the file is no state.
int64_t iteration_of_state(const std::string& path);
// Reads a state that save_state wrote. Throws Error for a damaged file or one whose identity differs (naming what
// differs and both values); the network is untouched then. Differences of `machine` are returned as text, "" for none.
std::string load_state(const std::string& path, TrainingState* state, network::Network* network);

}  // namespace dng::train
