// Options and shape rules that several layers share.
#pragma once

#include "engine/op.h"

namespace dng {

// activation=, with what the active host offers.
OptionSpec activation_option(const std::string& fallback);
// For layers other than [convolutional] and [shortcut]: throws Error for swish and mish, and for relu6 where the kernel
// is the host's. AlexeyAB's fork takes them there, and its output is zero.
void require_working_activation(const LayerConfig& layer, bool host_kernel);
// Throws Error where batch norm would see one value per channel, which has no variance.
void require_room_for_batchnorm(const LayerConfig& layer, const ShapeContext& context);
// The host counts weights in 32 bits. `option` is the one to blame.
void require_indexable_weights(const LayerConfig& layer, double weights, const std::string& option);
// How many windows fit into `length`; throws Error where none does. `padding` is that of both sides together.
int window_count(const LayerConfig& layer, int length, int padding, int size, int stride);

}  // namespace dng
