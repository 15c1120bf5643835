#include "layers/maxpool_layer.h"

#include "layers/pool_options.h"

namespace dng {

Op maxpool_op() {
  Op op("maxpool", Op::Kind::kLayer, "the maximum over windows");
  op.alias("max");
  add_pool_options(&op);
  op.shaped(pool_shape);
  for (const char* key : {"maxpool_depth", "out_channels", "antialiasing", "stride_x", "stride_y"}) {
    op.refuse(key, "this program does not train such pooling; remove it");
  }
  return op;
}

}  // namespace dng
