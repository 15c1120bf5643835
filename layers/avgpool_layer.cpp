#include "layers/avgpool_layer.h"

namespace dng {

Op avgpool_op() {
  Op op("avgpool", Op::Kind::kLayer, "the mean over height and width");
  op.alias("avg").shaped([](LayerConfig* layer, const ShapeContext&) { layer->out = {layer->in.channels, 1, 1}; });
  add_common_options(&op);
  return op;
}

}  // namespace dng
