// The verbs we provide; one file each. A verb gets the words behind its name and returns the exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "data/dataset.h"
#include "engine/network.h"

namespace dng {

using Words = std::vector<std::string>;

int train_verb(const Words& words);
int valid_verb(const Words& words);
int predict_verb(const Words& words);
int ensemble_verb(const Words& words);
int targets_verb(const Words& words);
int inspect_verb(const Words& words);
int layer_verb(const Words& words);
int options_verb(const Words& words);

// What the evaluating verbs share: DATA CFG WEIGHTS..., -json, -threads, -v, -nogpu, -gpus.
std::vector<FlagSpec> evaluation_flags();
int threads_of(const Arguments& arguments);
// -nogpu and -gpus are Darknet's; this build computes on the CPU.
void check_devices(const Arguments& arguments);

struct Evaluation {
  DataFile data;
  std::unique_ptr<Dataset> images;   // the validation set
  std::unique_ptr<Network> network;  // without weights yet
  int threads = 1;
};
// Reads the .data file and the cfg, and opens the validation set.
Evaluation open_evaluation(const Arguments& arguments, bool with_images = true);

}  // namespace dng
