// [route]: concatenates the outputs of earlier layers along the channels; with groups=G, group_id=g (AlexeyAB's) takes
// only the g-th of G equal parts of each. [C1][H][W], [C2][H][W], ... -> [(C1 + C2 + ...) / G][H][W]. The host's
// kernel. It does not read the layer before it unless that is named.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op route_op();

}  // namespace dng::layers
