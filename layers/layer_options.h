// Options and shape rules that several layers share.
#pragma once

#include "graph/op.h"

namespace dng::layers {

// activation=, with what the active host offers.
cfg::OptionSpec activation_option(const std::string& fallback);
// For layers other than [convolutional] and [shortcut]: throws Error for swish and mish, and for relu6 where the kernel
// is the host's. AlexeyAB's fork takes them there, and its output is zero.
void require_working_activation(const graph::LayerConfig& layer, bool host_kernel);
// Throws Error where batch norm would see one value per channel, which has no variance.
void require_room_for_batchnorm(const graph::LayerConfig& layer, const graph::ShapeContext& context);
// The host counts weights in 32 bits. `option` is the one to blame.
void require_indexable_weights(const graph::LayerConfig& layer, double weights, const std::string& option);
// How many windows fit into `length`; throws Error where none does. `padding` is that of both sides together.
int window_count(const graph::LayerConfig& layer, int length, int padding, int size, int stride);

}  // namespace dng::layers
