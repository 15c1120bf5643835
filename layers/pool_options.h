// What [maxpool] and [local_avgpool] share: a square window that starts at -padding / 2 (rounded towards zero).
#pragma once

#include "graph/op.h"

namespace dng::layers {

struct PoolWindow {
  int size, stride, padding;
};

void add_pool_options(graph::Op* op);
PoolWindow pool_window(const cfg::Options& options);
// Output height = (height + padding - size) / stride + 1.
void pool_shape(graph::LayerConfig* layer, const graph::ShapeContext& context);

}  // namespace dng::layers
