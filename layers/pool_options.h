// What [maxpool] and [local_avgpool] share: a square window that starts at -padding / 2 (rounded towards zero).
#pragma once

#include "engine/op.h"

namespace dng {

struct PoolWindow {
  int size, stride, padding;
};

void add_pool_options(Op* op);
PoolWindow pool_window(const Options& options);
// Output height = (height + padding - size) / stride + 1.
void pool_shape(LayerConfig* layer, const ShapeContext& context);

}  // namespace dng
