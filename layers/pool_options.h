// What [maxpool] and [local_avgpool] share: a square window that starts at -padding / 2 (rounded towards zero).
#pragma once

#include "graph/op.h"

namespace dng::layers {

struct PoolWindow {
  int size, stride_y, stride_x, padding;
};

void add_pool_options(graph::Op* op);
PoolWindow pool_window(const cfg::Options& options);
// n of a window that takes every n-th row and column and nothing else, else 0.
int subsample_factor(const PoolWindow& window);
// Output height = (height + padding - size) / stride + 1. Throws Error where a window would lie outside the input.
data::Geometry pool_output(const graph::LayerConfig& layer);

}  // namespace dng::layers
