#include "layers/route_layer.h"

#include <cstring>

#include "base/error.h"
#include "engine/cpu/row_math.h"
#include "engine/kernel.h"
#include "host/host.h"

namespace dng {
namespace {

void shape(LayerConfig* layer, const ShapeContext& context) {
  const Options& o = layer->options;
  o.require("layers", "name the layers to join, e.g. layers=-1,-4");
  layer->sources.clear();
  for (const int number : o.integers("layers")) layer->sources.push_back(context.resolve(o, "layers", number));
  layer->in = context.shape_of(layer->sources[0]);
  layer->out = layer->in;
  const int groups = o.has("groups") ? o.integer("groups") : 1;
  if (groups > 1 && o.integer("group_id") >= groups) {
    fail("%s: there are %d groups; allowed are 0 to %d", o.where("group_id").c_str(), groups, groups - 1);
  }
  layer->out.channels = 0;
  for (const int source : layer->sources) {
    const Geometry shape = context.shape_of(source);
    if (shape.height != layer->in.height || shape.width != layer->in.width) {
      fail("%s: layer %d is %dx%d, layer %d is %dx%d; only layers of one height and width can be joined",
           o.where("layers").c_str(), layer->sources[0], layer->in.height, layer->in.width, source, shape.height,
           shape.width);
    }
    if (shape.channels % groups != 0) {
      fail("%s: does not divide the %d channels of layer %d", o.where("groups").c_str(), shape.channels, source);
    }
    layer->out.channels += shape.channels / groups;
  }
}

// An image's channels lie one behind the other in either layout, so joining is copying.
class RouteKernel final : public Kernel {
 public:
  LayoutUse layout_use() const override { return LayoutUse::kSame; }

  void forward(Node& node, Pass&) override {
    each_part(
        node,
        [](Node& source, float* part, size_t first, size_t size) {
          std::memcpy(part, source.output + first, size * sizeof(float));
        },
        node.output);
  }

  void backward(Node& node, Pass&) override {
    each_part(
        node,
        [](Node& source, float* part, size_t first, size_t size) { row_accumulate(part, size, source.delta + first); },
        node.delta);
  }

 private:
  // Calls visit(source, its part of the joined tensor, offset in the source, count) for every source and image.
  template <class Visit>
  static void each_part(Node& node, Visit visit, float* joined) {
#pragma omp parallel for
    for (int b = 0; b < node.batch; ++b) {
      float* part = joined + static_cast<size_t>(b) * node.out_size();
      for (Node* source : node.sources) {
        const size_t size = source->out_size();
        visit(*source, part, static_cast<size_t>(b) * size, size);
        part += size;
      }
    }
  }
};

// Groups are left to the host that has them.
std::unique_ptr<Kernel> make_route_kernel(const LayerConfig& layer) {
  const bool groups = layer.options.has("groups") && layer.options.integer("groups") > 1;
  if (groups) return std::make_unique<HostKernel>();
  return std::make_unique<RouteKernel>();
}

}  // namespace

Op route_op() {
  Op op("route", Op::Kind::kLayer, "joins earlier outputs along the channels");
  op.option(integers_option("layers", "", -(1 << 20), 1 << 20, "the layers; negative: counted back"))
      .shaped(shape)
      .kernel(Device::kCpu, make_route_kernel);
  if (host::traits().route_has_groups) {
    op.option(integer_option("groups", "1", 1, 1 << 16, "equal parts that each layer is cut into"))
        .option(integer_option("group_id", "0", 0, 1 << 16, "the part that is taken"));
  } else {
    op.refuse("groups", "the packaged Darknet has no groups; build with AlexeyAB's fork (make DARKNET_ROOT=DIR)");
  }
  add_common_options(&op);
  return op;
}

}  // namespace dng
