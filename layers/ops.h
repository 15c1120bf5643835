// The op of every layer in layers.def: layers/NAME_layer.cpp or layers/costs/NAME.cpp defines NAME_op().
#pragma once

#include "graph/op.h"

namespace dng::layers {

#define LAYER(name) graph::Op name##_op();
#define COST(name) LAYER(name)
#include "layers/layers.def"

}  // namespace dng::layers
