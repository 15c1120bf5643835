// Options, shape rules and choices of kernels that several layers share.
#pragma once

#include <memory>

#include "graph/op.h"
#include "math/activation.h"

namespace dng::layers {

// activation=, with all functions of math/activation.h.
cfg::OptionSpec activation_option(const std::string& fallback);
math::Activation activation_of(const graph::LayerConfig& layer);
// Throws Error where batch norm would see one value per channel, which has no variance.
void require_room_for_batchnorm(const graph::LayerConfig& layer, const graph::ShapeContext& context);
// Darknet counts weights in 32 bits. Throws Error, which names `option`.
void require_indexable_weights(const graph::LayerConfig& layer, double weights, const std::string& option);
// How many windows fit into `length`; throws Error where none does. `padding` is that of both sides together.
int window_count(const graph::LayerConfig& layer, int length, int padding, int size, int stride);
// stride_x= or stride_y=; where it is not given, stride= counts.
cfg::OptionSpec stride_option(const std::string& key);
int stride_along(const cfg::Options& options, const std::string& key);
// Whether a [shortcut] has factors other than 1.
bool has_shortcut_factors(const graph::LayerConfig& layer);

// Kernel(layer, activation).
template <class Kernel>
std::unique_ptr<Kernel> make_with_activation(const graph::LayerConfig& layer) {
  return std::make_unique<Kernel>(layer, activation_of(layer));
}
// Null where the gradient needs the activation's input.
template <class Kernel>
std::unique_ptr<Kernel> make_with_output_activation(const graph::LayerConfig& layer) {
  return math::gradient_reads_input(activation_of(layer)) ? nullptr : make_with_activation<Kernel>(layer);
}

}  // namespace dng::layers
