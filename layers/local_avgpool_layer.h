// [local_avgpool]: the mean over windows; pixels outside the input are left out of the mean. Output height =
// (height + padding - size) / stride + 1, the window starts at -padding / 2 (rounded towards zero), padding defaults to
// size - 1 as for [maxpool].
// AlexeyAB's fork has this layer, the packaged Darknet has not; the kernel is ours on both, because the fork's backward
// divides by size * size even where its forward divided by fewer pixels. The stand-in for the host is a [maxpool] of
// the same window.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op local_avgpool_op();

}  // namespace dng::layers
