#include "layers/pool_options.h"

#include "base/error.h"
#include "layers/layer_options.h"

namespace dng::layers {

void add_pool_options(graph::Op* op) {
  op->option(cfg::integer_option("size", "", 1, 1 << 10, "height and width of the window (default: stride)"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(
          cfg::integer_option("padding", "", 0, 1 << 10, "padding in all, both sides together (default: size - 1)"));
}

PoolWindow pool_window(const cfg::Options& options) {
  PoolWindow window{};
  window.stride = options.integer("stride");
  window.size = options.has("size") ? options.integer("size") : window.stride;
  window.padding = options.has("padding") ? options.integer("padding") : window.size - 1;
  return window;
}

void pool_shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const PoolWindow w = pool_window(layer->options);
  layer->out = {layer->in.channels, window_count(*layer, layer->in.height, w.padding, w.size, w.stride),
                window_count(*layer, layer->in.width, w.padding, w.size, w.stride)};
  for (const auto& [length, count] : {std::pair<int, int>{layer->in.height, layer->out.height},
                                      std::pair<int, int>{layer->in.width, layer->out.width}}) {
    const int last = (count - 1) * w.stride - w.padding / 2;
    if (last >= length || w.size <= w.padding / 2) {
      fail("%s: with padding %d a window of size %d would lie wholly outside the input of %d; use less padding",
           layer->options.where("padding").c_str(), w.padding, w.size, length);
    }
  }
}

}  // namespace dng::layers
