// Options, shape rules and choices of kernels that several layers share.
#pragma once

#include <memory>

#include "graph/op.h"
#include "math/activation.h"

namespace dng::layers {

// activation=, with all functions of math/activation.h.
cfg::OptionSpec activation_option(const std::string& fallback);
math::Activation activation_of(const graph::LayerConfig& layer);
// The section for Darknet, which never computes the activation: linear in the place of one that it does not know.
cfg::CfgSection with_known_activation(const graph::LayerConfig& layer);
// A section for Darknet whose output has the shape of its input.
cfg::CfgSection same_shape(const graph::LayerConfig& layer);
// Throws Error where batch norm would see one value per channel, which has no variance.
void require_room_for_batchnorm(const graph::LayerConfig& layer, const graph::ShapeContext& context);
// Darknet counts weights in 32 bits. Throws Error, which names `option`.
void require_indexable_weights(const graph::LayerConfig& layer, double weights, const std::string& option);
// How many windows fit into `length`; throws Error where none does. `padding` is that of both sides together.
int window_count(const graph::LayerConfig& layer, int length, int padding, int size, int stride);
// Padding of [convolutional] on every side: size / 2 where pad=1, else padding=.
int convolution_padding(const cfg::Options& options);
// alpha= or beta= of a [shortcut], and whether one of them is not 1.
float shortcut_factor(const graph::LayerConfig& layer, const char* name);
bool has_shortcut_factors(const graph::LayerConfig& layer);

// Kernel(layer, activation).
template <class Kernel>
std::unique_ptr<Kernel> make_with_activation(const graph::LayerConfig& layer) {
  return std::make_unique<Kernel>(layer, activation_of(layer));
}
}  // namespace dng::layers
