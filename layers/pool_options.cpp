#include "layers/pool_options.h"

#include "base/error.h"
#include "layers/layer_options.h"

namespace dng::layers {

void add_pool_options(graph::Op* op) {
  op->option(cfg::integer_option("size", "", 1, 1 << 10, "height and width of the window (default: stride)"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(stride_option("stride_y"))
      .option(stride_option("stride_x"))
      .option(
          cfg::integer_option("padding", "", 0, 1 << 10, "padding in all, both sides together (default: size - 1)"));
}

PoolWindow pool_window(const cfg::Options& options) {
  PoolWindow window{};
  window.stride_y = stride_along(options, "stride_y");
  window.stride_x = stride_along(options, "stride_x");
  window.size = options.integer(options.has("size") ? "size" : "stride");
  window.padding = options.has("padding") ? options.integer("padding") : window.size - 1;
  return window;
}

int subsample_factor(const PoolWindow& window) {
  return window.size == 1 && window.padding == 0 && window.stride_y == window.stride_x ? window.stride_y : 0;
}

data::Geometry pool_output(const graph::LayerConfig& layer) {
  const PoolWindow w = pool_window(layer.options);
  const auto count = [&](int length, int stride) {
    const int windows = window_count(layer, length, w.padding, w.size, stride);
    if ((windows - 1) * stride - w.padding / 2 >= length || w.size <= w.padding / 2) {
      fail("%s: with padding %d a window of size %d would lie wholly outside the input of %d; use less padding",
           layer.options.where("padding").c_str(), w.padding, w.size, length);
    }
    return windows;
  };
  return {layer.in.channels, count(layer.in.height, w.stride_y), count(layer.in.width, w.stride_x)};
}

}  // namespace dng::layers
