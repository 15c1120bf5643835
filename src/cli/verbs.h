// The program's verbs, one file each. A verb takes its arguments and returns the exit code.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "data/dataset.h"
#include "gpu/gpu.h"
#include "network/network.h"

namespace dng::cli {

using Words = std::vector<std::string>;

struct Verb {
  std::string name;      // "classifier train"
  std::string synopsis;  // its arguments and options; Arguments takes from it what is allowed
  int (*run)(const Arguments& arguments);

  std::string usage() const;  // the whole line, with the program's name
};
const std::vector<Verb>& all_verbs();

int train_verb(const Arguments& arguments);
int valid_verb(const Arguments& arguments);
int predict_verb(const Arguments& arguments);
int ensemble_verb(const Arguments& arguments);
int targets_verb(const Arguments& arguments);
int inspect_verb(const Arguments& arguments);
int features_verb(const Arguments& arguments);
int layer_verb(const Arguments& arguments);
int options_verb(const Arguments& arguments);

// Replaces this program by the driver of whole chains, scripts/generations.py, with the arguments after `chain`.
int chain(const Words& words);
// Replaces this program by the host's own, for its verbs. Throws Error where a cfg among the arguments is not for it.
int run_darknet(char** argv);
// The output of `--version`.
std::string version_text();

int threads_of(const Arguments& arguments);
uint64_t seed_of(const Arguments& arguments);
// Of cfgs: -strict.
cfg::Reading reading_of(const Arguments& arguments);
// The GPU of -gpus N, or null for the CPU (-nogpu). Without either: the first GPU that the build can use, else the CPU,
// with a line on stderr where a GPU or its driver is too old.
std::shared_ptr<gpu::Gpu> open_device(const Arguments& arguments);

struct Evaluation {
  std::shared_ptr<gpu::Gpu> gpu;  // null: the CPU
  data::DataFile data;
  std::string set;                            // "valid", or that of -set
  std::unique_ptr<data::Dataset> images;      // of that set
  std::unique_ptr<network::Network> network;  // without weights yet
  int threads = 1;
};
struct EvaluationNeeds {
  bool images = true;                                   // of the .data file
  int64_t count = std::numeric_limits<int64_t>::max();  // how many images go through the network, where it is known
  bool same_classes = true;                             // the network's outputs are the classes of the .data file
  // Returns the layer whose output is needed beside the last one's; null: none.
  std::function<int(const graph::NetworkConfig&)> watched_layer = nullptr;
};
// Reads the .data file and the cfg, and opens the set.
Evaluation open_evaluation(const Arguments& arguments, const EvaluationNeeds& needs = {});

}  // namespace dng::cli
