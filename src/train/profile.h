// Time spent in the parts of a training run; `-profile FILE` writes it as JSON.
#pragma once

#include <cstdint>
#include <string>

#include "network/network.h"

namespace dng::train {

struct Profile {
  int64_t steps = 0;
  double seconds = 0;  // of all steps
  double data = 0;     // waiting for batches
  double teacher = 0;  // running the teacher or reading its targets
  double update = 0;   // of the parameters
};

// {"steps", "seconds", "data", "teacher", "update", "layers": [{"index", "section", "forward", "backward"}, ...]}, all
// times in seconds over all steps. Throws Error where the file cannot be written.
void write_profile(const std::string& path, const Profile& profile, const network::Network& network);

}  // namespace dng::train
