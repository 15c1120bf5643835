// [scale_channels]: multiplies the channels of an earlier layer by this input (squeeze and excitation),
// [C][1][1] and [C][H][W] -> [C][H][W]. AlexeyAB's fork only, by its kernel.
#include "base/error.h"
#include "host/host.h"
#include "layers/layer_options.h"
#include "layers/ops.h"

namespace dng::layers {

graph::Op scale_channels_op() {
  return graph::Op("scale_channels", graph::Op::Kind::kLayer,
                   "multiplies the channels of an earlier layer by this input")
      .option(cfg::integer_option("from", "", -(1 << 20), 1 << 20, "the layer whose channels are scaled"))
      .option(activation_option("linear"))
      .shaped([](graph::LayerConfig* layer, const graph::ShapeContext& context) {
        const cfg::Options& o = layer->options;
        if (!host::traits().has_scale_channels) {
          fail("%s: %s has no such layer; build with AlexeyAB's fork (make DARKNET_ROOT=DIR)", o.where().c_str(),
               host::traits().name);
        }
        o.require("from", "name the layer whose channels are scaled");
        layer->sources.push_back(context.resolve(o, "from", o.integer("from")));
        layer->out = context.shape_of(layer->sources[1]);
        if (layer->in.channels != layer->out.channels || layer->in.height != 1 || layer->in.width != 1) {
          fail("%s: its input is %dx%dx%d; it must be %dx1x1, one factor for each channel of layer %d",
               o.where("from").c_str(), layer->in.channels, layer->in.height, layer->in.width, layer->out.channels,
               layer->sources[1]);
        }
      })
      .checked(
          [](const graph::LayerConfig& layer, const graph::ShapeContext&) { require_working_activation(layer, true); });
}

}  // namespace dng::layers
