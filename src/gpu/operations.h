// What a network on the GPU does beside its layers: the update, conversions, and the data flow of images into it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "data/image.h"
#include "gpu/gpu.h"
#include "gpu/step_input.h"
#include "math/adam_math.h"

namespace dng::gpu {

// Parameters are contiguous, each begins at a multiple of this; and so do gradients, momentum and copies.
constexpr size_t kChunk = 64;

// What holds for a parameter, beside the rate.
struct UpdateRule {
  float rate_factor = 1;  // learning_rate= of the layer
  int decays = 0, frozen = 0;
};

// SGD as train/sgd.h has it: v = momentum + gradient - decay batch value; with second moments Adam (train/adam.h),
// whose m is the momentum. Then the gradients are zero.
struct Update {
  float *value, *gradient, *momentum;
  float* second;  // null: SGD
  void* copy;     // of the first `copied` values in bfloat16; null: none
  size_t copied;  // weights
  size_t count;
  const uint16_t* rule_of_chunk;
  const UpdateRule* rules;
  const StepInput* step;
  float momentum_factor, decay;
  int batch;
  bool nesterov;
  math::AdamSettings adam;
};

// Images of a packed set, as training sees them: a window of a padded image, perhaps mirrored (data/augment.h).
struct Augment {
  const uint8_t* planes;    // [set][channels][height][width]
  const int* set_labels;    // [set]
  data::Geometry shape;     // of the set's images
  const uint32_t* samples;  // [batch]
  const uint32_t* epochs;   // [batch]
  const float* table;       // [channels][256]
  const StepInput* step;
  data::Geometry input;
  int batch, pad;
  bool mirror;
  Type type;
  void* images;  // out: [batch][height][width][channels]
  int* labels;   // out
};

struct Operations {
  void (*update)(Gpu&, const Update&);
  // gradient += copy_gradient.
  void (*add_copies)(Gpu&, float* gradient, const void* copy_gradient, size_t count);
  // copy = value, in bfloat16.
  void (*refresh_copies)(Gpu&, const float* value, void* copy, size_t count);
  // From planes [batch][channels][height][width] of floats.
  void (*import_images)(Gpu&, const float* planes, const data::Geometry& shape, int batch, Type type, void* images);
  void (*augment)(Gpu&, const Augment&);
};

}  // namespace dng::gpu
