// The training loop: data, schedule, teacher, update, log, evaluation, checkpoints, resume.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cfg/translations.h"

namespace dng::gpu {
class Gpu;
}

namespace dng::train {

struct TrainSettings {
  std::string data, cfg;
  std::string weights;                                // to start from; empty: fresh ones
  bool clear = false;                                 // start counting images at 0 instead of the number in the weights
  cfg::Reading reading = cfg::Reading::kTranslating;  // of the cfg and its teacher's
  uint64_t seed = 0;
  int threads = 0;  // 0: as many as there are cores
  bool resume = false;
  bool restart = false;  // discard what an interrupted training has left
  double state_seconds = 30;
  std::string profile;            // file for the times of the layers; empty: none
  bool verbose = false;           // show Darknet's layer table
  std::shared_ptr<gpu::Gpu> gpu;  // null: trains on the CPU
};

// Trains as the cfg says and writes into the .data file's backup folder, with `base` the cfg's name:
//   base_last.weights (with every state), base_best.weights (best top-1 on the validation set), base_final.weights,
//   base.state (after every epoch and every state_seconds), base.csv (a row per epoch)
// Returns the process's exit code: 0, or 128 + signal after Ctrl-C or SIGTERM (the state is written first).
int train(const TrainSettings& settings);

}  // namespace dng::train
