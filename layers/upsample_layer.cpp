// [upsample]: repeats every pixel stride times in both directions, [C][H][W] -> [C][H s][W s], by Darknet's kernel.
#include "layers/ops.h"

namespace dng::layers {

graph::Op upsample_op() {
  return graph::Op("upsample", graph::Op::Kind::kLayer, "repeats every pixel")
      .option(cfg::integer_option("stride", "2", 1, 1 << 10, "how often, in both directions"))
      .option(cfg::real_option("scale", "1", -1e6, 1e6, "factor on the output"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        const int stride = layer->options.integer("stride");
        layer->out = {layer->in.channels, layer->in.height * stride, layer->in.width * stride};
      });
}

}  // namespace dng::layers
