#include "layers/convolution_options.h"

#include "base/error.h"
#include "layers/antialiasing.h"
#include "layers/layer_options.h"

namespace dng::layers {
namespace {

// In taps of the window.
int taps_of_padding(const cfg::Options& options) {
  return options.flag("pad") ? options.integer("size") / 2 : options.integer("padding");
}

}  // namespace

void add_convolution_options(graph::Op* op) {
  op->option(cfg::integer_option("filters", "1", 1, 1 << 20, "output channels"))
      .option(cfg::integer_option("size", "1", 1, 1 << 10, "height and width of the window"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(stride_option("stride_y"))
      .option(stride_option("stride_x"))
      .option(cfg::flag_option("pad", "0", "1: padding of size / 2 on every side"))
      .option(cfg::integer_option("padding", "0", 0, 1 << 10, "padding on every side, where pad=0; none with size=1"))
      .option(cfg::integer_option("dilation", "1", 1, 1 << 10, "distance of the window's taps"))
      .option(cfg::integer_option("groups", "1", 1, 1 << 20, "groups of channels; divides channels and filters"));
}

ConvolutionWindow convolution_window(const cfg::Options& options) {
  ConvolutionWindow window{};
  window.size = options.integer("size");
  window.stride_y = stride_along(options, "stride_y");
  window.stride_x = stride_along(options, "stride_x");
  window.dilation = window.size > 1 ? options.integer("dilation") : 1;
  window.padding = taps_of_padding(options) * window.dilation;
  return window;
}

data::Geometry convolution_output(const graph::LayerConfig& layer) {
  const ConvolutionWindow w = convolution_window(layer.options);
  const int reach = w.dilation * (w.size - 1) + 1;
  return {layer.options.integer("filters"), window_count(layer, layer.in.height, 2 * w.padding, reach, w.stride_y),
          window_count(layer, layer.in.width, 2 * w.padding, reach, w.stride_x)};
}

void check_convolution_window(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const int size = o.integer("size");
  if (convolution_window(o).dilation > 1 && 2 * taps_of_padding(o) != size - 1) {
    fail(
        "%s: Darknet computes its output's height and width without the dilation, which is right for an odd size with "
        "pad=1 alone; write these, or remove dilation=",
        o.where("dilation").c_str());
  }
  if (size == 1 && taps_of_padding(o) > 0) {
    fail("%s: a 1x1 convolution cannot be padded: the stock darknet ignores it and would evaluate otherwise; remove it",
         o.where("padding").c_str());
  }
}

}  // namespace dng::layers
