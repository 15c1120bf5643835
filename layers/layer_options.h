// Options and shape rules that several layers share.
#pragma once

#include "engine/op.h"

namespace dng {

// activation=, with what the active host offers.
OptionSpec activation_option(const std::string& fallback);
// For layers other than [convolutional] and [shortcut]: throws Error for swish and mish, and for relu6 where the kernel
// is the host's. AlexeyAB's fork takes them there, and its output is zero.
void require_working_activation(const LayerConfig& layer, bool host_kernel);
// Fills the single source "the layer before" and requires an image (height and width kept by the layer before).
void require_room_for_batchnorm(const LayerConfig& layer, const ShapeContext& context);
// Throws Error where a window does not fit.
// The host counts weights in 32 bits. `option` is the one to blame.
void require_indexable_weights(const LayerConfig& layer, double weights, const std::string& option);
int window_count(const LayerConfig& layer, int length, int padding, int size, int stride);

}  // namespace dng
