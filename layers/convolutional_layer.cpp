#include "layers/convolutional_layer.h"

#include "base/error.h"
#include "host/host.h"
#include "layers/convolutional_kernel.h"
#include "layers/layer_options.h"

namespace dng::layers {
namespace {

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer->options;
  const int padding = 2 * convolution_padding(o), size = o.integer("size"), stride = o.integer("stride");
  layer->out = {o.integer("filters"), window_count(*layer, layer->in.height, padding, size, stride),
                window_count(*layer, layer->in.width, padding, size, stride)};
}

void check(const graph::LayerConfig& layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer.options;
  const int groups = o.integer("groups");
  if (layer.in.channels % groups != 0 || layer.out.channels % groups != 0) {
    fail("%s: must divide the %d input channels and the %d filters", o.where("groups").c_str(), layer.in.channels,
         layer.out.channels);
  }
  const double window = static_cast<double>(o.integer("size")) * o.integer("size");
  require_indexable_weights(layer, window * layer.in.channels / groups * layer.out.channels, "filters");
  if (o.flag("pad") && o.given("padding") && o.integer("padding") != o.integer("size") / 2) {
    fail("%s: pad=1 means padding=%d; keep one of them", o.where("padding").c_str(), o.integer("size") / 2);
  }
  if (o.integer("size") == 1 && convolution_padding(o) > 0) {
    fail("%s: a 1x1 convolution cannot be padded: the stock darknet ignores it and would evaluate otherwise; remove it",
         o.where("padding").c_str());
  }
  if (o.flag("batch_normalize")) require_room_for_batchnorm(layer, context);
}

}  // namespace

int convolution_padding(const cfg::Options& options) {
  return options.flag("pad") ? options.integer("size") / 2 : options.integer("padding");
}

graph::Op convolutional_op() {
  graph::Op op("convolutional", graph::Op::Kind::kLayer, "2-D convolution");
  op.alias("conv")
      .option(cfg::integer_option("filters", "1", 1, 1 << 20, "output channels"))
      .option(cfg::integer_option("size", "1", 1, 1 << 10, "height and width of the window"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(cfg::flag_option("pad", "0", "1: padding of size / 2 on every side"))
      .option(cfg::integer_option("padding", "0", 0, 1 << 10, "padding on every side, where pad=0"))
      .option(cfg::integer_option("groups", "1", 1, 1 << 20, "groups of channels; divides channels and filters"))
      .option(activation_option("logistic"))
      .option(cfg::flag_option("batch_normalize", "0", "1: batch norm before the activation"))
      .shaped(shape)
      .checked(check)
      .kernel(graph::Device::kCpu, make_convolutional_kernel);
  for (const char* key :
       {"xnor", "binary", "bin_output", "antialiasing", "dilation", "stride_x", "stride_y", "share_index",
        "assisted_excitation", "sway", "rotate", "stretch", "stretch_sway", "flipped", "dot", "coordconv", "deform"}) {
    op.refuse(key, "this program does not train such convolutions; remove it");
  }
  graph::add_common_options(&op);
  return op;
}

}  // namespace dng::layers
