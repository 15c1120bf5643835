// One forward (and backward) pass over a batch; the same for every layer of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dng {
struct LabelMix;
}

namespace dng::graph {

struct Pass {
  bool training = false;
  const float* input = nullptr;     // [batch][channels][height][width]
  const int* labels = nullptr;      // [batch], or null: no loss is computed
  const LabelMix* mixes = nullptr;  // [batch], of mixed images, or null
  const float* teacher = nullptr;   // [batch][classes] probabilities of the teacher, or null
  int count = 0;                    // images that matter; the rest of the batch is padding
  uint64_t seed = 0;
  int64_t first_position = 0;  // of the first image in the training stream: keys dropout masks
  int64_t steps = 0;           // training passes before this one: sets the rate of the rolling statistics
  double epoch = 0;            // epochs done, with fraction: for costs that change with time
  double progress = 1;         // share of the training that is done; 1 where it has no end
  double loss = 0;             // out: the cost, summed over the `count` images
};

// Images of the batch: first, first + 1, ..., first + count - 1.
struct Range {
  int first = 0;
  int count = 0;
  // Where they start, in elements, if an image takes `stride` of them.
  size_t offset(size_t stride) const { return static_cast<size_t>(first) * stride; }
};

}  // namespace dng::graph
