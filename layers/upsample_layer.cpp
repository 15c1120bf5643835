#include "layers/upsample_layer.h"

namespace dng {

Op upsample_op() {
  Op op("upsample", Op::Kind::kLayer, "repeats every pixel");
  op.option(integer_option("stride", "2", 1, 1 << 10, "how often, in both directions"))
      .option(real_option("scale", "1", -1e6, 1e6, "factor on the output"))
      .shaped([](LayerConfig* layer, const ShapeContext&) {
        const int stride = layer->options.integer("stride");
        layer->out = {layer->in.channels, layer->in.height * stride, layer->in.width * stride};
      });
  add_common_options(&op);
  return op;
}

}  // namespace dng
