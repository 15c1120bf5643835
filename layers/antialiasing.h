// antialiasing= of [convolutional] and [maxpool] (AlexeyAB's fork): the layer at stride 1, its batch norm and
// activation included, then a blur of each channel that has the layer's strides.
//   antialiasing=1   3x3 taps [1 2 1; 2 4 2; 1 2 1] / 16, padding 1
//   antialiasing=2   the mean of 2x2, no padding
// Source: Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019. The blur has no parameters. The fork's
// GPU computes this gradient; its CPU leaves the blur out of it, so that training there is wrong.
#pragma once

#include "graph/op.h"

namespace dng::layers {

cfg::OptionSpec antialiasing_option();
bool antialiased(const graph::LayerConfig& layer);
// The output's shape; `output` gives that of the layer without antialiasing.
data::Geometry antialiased_shape(const graph::LayerConfig& layer,
                                 const std::function<data::Geometry(const graph::LayerConfig&)>& output);
// The kernel of an antialiased layer on the CPU, around that of the layer at stride 1.
std::unique_ptr<graph::Kernel> make_antialiased(const graph::LayerConfig& layer,
                                                const std::function<data::Geometry(const graph::LayerConfig&)>& output,
                                                const graph::KernelFactory& make);

}  // namespace dng::layers
