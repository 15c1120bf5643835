#include "layers/connected_layer.h"

#include "layers/layer_options.h"

namespace dng {

Op connected_op() {
  Op op("connected", Op::Kind::kLayer, "every output from every input");
  op.alias("conn")
      .option(integer_option("output", "1", 1, 1 << 24, "number of outputs"))
      .option(activation_option("logistic"))
      .option(flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped([](LayerConfig* layer, const ShapeContext&) {
        layer->out = {layer->options.integer("output"), 1, 1};
      })
      .checked([](const LayerConfig& layer, const ShapeContext& context) {
        if (layer.options.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
      });
  add_common_options(&op);
  return op;
}

}  // namespace dng
