// [reorg]: moves blocks of stride x stride pixels into channels, [C][H][W] -> [C s s][H / s][W / s], by Darknet's
// kernel.
#include "base/error.h"
#include "layers/ops.h"

namespace dng::layers {

graph::Op reorg_op() {
  return graph::Op("reorg", graph::Op::Kind::kLayer, "blocks of space into channels")
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "side of a block"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
        const int stride = layer->options.integer("stride");
        if (layer->in.height % stride != 0 || layer->in.width % stride != 0) {
          fail("%s: must divide the input's height %d and width %d", layer->options.where("stride").c_str(),
               layer->in.height, layer->in.width);
        }
        // With fewer channels Darknet divides by zero, with others it reads past its input.
        if (layer->in.channels % (stride * stride) != 0) {
          fail("%s: the input has %d channels; Darknet's kernel needs a multiple of stride * stride = %d",
               layer->options.where("stride").c_str(), layer->in.channels, stride * stride);
        }
        layer->out = {layer->in.channels * stride * stride, layer->in.height / stride, layer->in.width / stride};
      });
}

}  // namespace dng::layers
