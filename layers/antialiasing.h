// antialiasing= of [convolutional] and [maxpool] (AlexeyAB's fork): the layer at stride 1, its batch norm and
// activation included, then a blur of each channel that has the layer's strides.
//   antialiasing=1   3x3 taps [1 2 1; 2 4 2; 1 2 1] / 16, padding 1
//   antialiasing=2   the mean of 2x2, no padding
// Source: Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019. The blur has no parameters. The fork's
// GPU computes this gradient; its CPU leaves the blur out of it, so that training there is wrong.
#pragma once

#include "base/host_device.h"
#include "graph/op.h"
#include "layers/pool_options.h"

namespace dng::layers {

using OutputShape = std::function<data::Geometry(const graph::LayerConfig&)>;

cfg::OptionSpec antialiasing_option();
bool antialiased(const graph::LayerConfig& layer);
PoolWindow blur_window(const graph::LayerConfig& layer);
// The blur is separable: the weight of row or column i of a window of 2 or 3.
DNG_HOST_DEVICE constexpr float blur_weight(int size, int i) { return size == 3 && i != 1 ? 0.25f : 0.5f; }
// The layer that is blurred. `output` gives its shape.
graph::LayerConfig sharp_layer(graph::LayerConfig layer, const OutputShape& output);
// The output's shape.
data::Geometry antialiased_shape(const graph::LayerConfig& layer, const OutputShape& output);
// The kernel of an antialiased layer on the CPU, around that of the layer at stride 1.
std::unique_ptr<graph::Kernel> make_antialiased(const graph::LayerConfig& layer, const OutputShape& output,
                                                const graph::KernelFactory& make);

}  // namespace dng::layers
