// Options, shape rules and choices of kernels that several layers share.
#pragma once

#include <memory>

#include "graph/op.h"
#include "math/activation.h"

namespace dng::layers {

// activation=, with the functions that Darknet offers.
cfg::OptionSpec activation_option(const std::string& fallback);
// For layers other than [convolutional] and [shortcut]: throws Error for swish and mish, and for relu6 where the kernel
// is Darknet's. AlexeyAB's fork accepts them there, and its output is zero.
void require_working_activation(const graph::LayerConfig& layer, bool darknet_kernel);
// Throws Error where batch norm would see one value per channel, which has no variance.
void require_room_for_batchnorm(const graph::LayerConfig& layer, const graph::ShapeContext& context);
// Darknet counts weights in 32 bits. Throws Error, which names `option`.
void require_indexable_weights(const graph::LayerConfig& layer, double weights, const std::string& option);
// How many windows fit into `length`; throws Error where none does. `padding` is that of both sides together.
int window_count(const graph::LayerConfig& layer, int length, int padding, int size, int stride);
// Padding of [convolutional] on every side: size / 2 where pad=1, else padding=.
int convolution_padding(const cfg::Options& options);
// Whether a [shortcut] has factors other than 1, which only Darknet's kernel applies.
bool has_shortcut_factors(const graph::LayerConfig& layer);

// Kernel(layer, activation); null where there is no formula for the activation (math/activation.h).
template <class Kernel>
std::unique_ptr<Kernel> make_with_activation(const graph::LayerConfig& layer) {
  math::Activation activation{};
  if (!math::find_activation(layer.options.text("activation"), &activation)) return nullptr;
  return std::make_unique<Kernel>(layer, activation);
}

}  // namespace dng::layers
