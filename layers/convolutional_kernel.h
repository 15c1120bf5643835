// The CPU kernel of [convolutional], by Winograd of our own or by oneDNN. See convolutional_layer.h for the layer.
//   forward   x = W * input; y = f(x + b), or f(batch norm(x))
//   backward  delta *= f'(y); batch norm's gradient, or b += sum(delta); W += delta * input; input delta += W^T * delta
// Weights stay in Darknet's layout in the host's layer; they are brought into the convolution's for each pass, which is
// cheap beside it. Activations we do not have are left to the host's kernel.
#pragma once

#include <memory>

#include "cpu/kernel.h"

namespace dng::layers {

std::unique_ptr<cpu::Kernel> make_convolutional_kernel(const graph::LayerConfig& layer);

}  // namespace dng::layers
