// [activation]: an activation function on its own. output = f(input), element by element; shapes are kept.
// The host's kernel overwrites the gradient of the layer before; src/host/ adds instead.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op activation_op();

}  // namespace dng::layers
