// What changes from pass to pass: it lies in device memory, so that one CUDA graph of a step serves all.
#pragma once

#include <cstdint>

#include "math/adam_math.h"

namespace dng::gpu {

struct StepInput {
  uint64_t seed = 0;
  int64_t position = 0;  // of the first image in the training stream
  int64_t steps = 0;     // training passes before this one
  double epoch = 0;      // epochs done, with fraction
  double progress = 1;   // share of the training that is done
  float rate = 0;        // of the update that follows
  math::AdamCorrections corrections;
  int count = 0;  // images that matter
  int has_labels = 0, has_mixes = 0, has_teacher = 0;
  int slot = 0;  // of the results
};

struct StepResult {
  double loss = 0;  // summed over the images
  int64_t correct = 0;
};

// Memory for sums over blocks (gpu/columns.h).
struct SumsWorkspace {
  float* partial = nullptr;
  unsigned* counters = nullptr;  // one for each channel, all zero
};

}  // namespace dng::gpu
