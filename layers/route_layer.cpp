// [route]: concatenates the outputs of earlier layers along the channels; with groups=G, group_id=g takes
// only the g-th of G equal parts of each. [C1][H][W], [C2][H][W], ... -> [(C1 + C2 + ...) / G][H][W].
// It does not read the layer before it unless that is named.
#include <cstring>
#include <vector>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/loops/channels.h"
#include "cpu/workspace.h"
#include "host/host.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

void shape(graph::LayerConfig* layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer->options;
  o.require("layers", "name the layers to concatenate, e.g. layers=-1,-4");
  layer->sources.clear();
  for (const int number : o.integers("layers")) layer->sources.push_back(context.resolve(o, "layers", number));
  layer->in = context.shape_of(layer->sources[0]);
  layer->out = layer->in;
  const int groups = o.integer("groups");
  if (o.integer("group_id") >= groups) {
    fail("%s: groups=%d; allowed are 0 to %d", o.where("group_id").c_str(), groups, groups - 1);
  }
  layer->out.channels = 0;
  for (const int source : layer->sources) {
    const data::Geometry shape = context.shape_of(source);
    if (shape.height != layer->in.height || shape.width != layer->in.width) {
      fail("%s: layer %d is %dx%d, layer %d is %dx%d; only layers of one height and width can be concatenated",
           o.where("layers").c_str(), context.number_of(layer->sources[0]), layer->in.height, layer->in.width,
           context.number_of(source), shape.height, shape.width);
    }
    if (shape.channels % groups != 0) {
      fail("%s: does not divide the %d channels of layer %d", o.where("groups").c_str(), shape.channels,
           context.number_of(source));
    }
    layer->out.channels += shape.channels / groups;
  }
}

// Where an earlier [route] has concatenated the first of the same layers, its output is the start of this one's: the
// plan puts both at the same place (graph::Edge::in_place), and only the new channels are copied.
class RouteKernel final : public cpu::Kernel {
 public:
  explicit RouteKernel(const graph::LayerConfig& layer)
      : groups_(layer.options.integer("groups")),
        group_(layer.options.integer("group_id")),
        parts_(layer.sources.size()) {}

  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  int subsample_factor() const override { return groups_ == 1 && parts_ == 1 ? 1 : 0; }
  bool is_concatenation() const override { return groups_ == 1; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.costly = role.passes_through = true;
    role.reads_input = role.reads_output = false;
    role.takes_strides = true;
    return role;
  }

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    const cpu::WorkspaceFrame frame(workspace);
    std::vector<cpu::View> inputs(node.sources.size());
    for (size_t slot = 0; slot < inputs.size(); ++slot) {
      if (!node.sources[slot].in_place) inputs[slot] = node.view(slot, pass, range, workspace);
    }
    concatenate(node, range.count, inputs.data(), output, node.stride);
  }

  void backward_epilogue(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    each_part(node, [&](size_t slot, int first, int channels, const cpu::Rows& rows) {
      const graph::Edge& source = node.sources[slot];
      if (!source.needs_gradient() || source.gradient == graph::Gradient::kShared) return;
      for (int i = range.first; i < range.first + range.count; ++i) {
        float* to = cpu::node_of(source)->delta + static_cast<size_t>(i) * cpu::node_of(source)->stride;
        if (!source.adds() && groups_ > 1) std::memset(to, 0, rows.size() * sizeof(float));
        cpu::copy_channels(
            {node.delta + static_cast<size_t>(i) * node.stride, cpu::Rows(node.config->out, node.layout), first},
            {to, rows, group_ * channels}, channels, source.adds());
      }
    });
    node.run_source_epilogues(pass, range, workspace);
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t stride,
             cpu::Workspace*) override {
    concatenate(node, images, inputs, output, stride);
  }

 private:
  // Calls visit(slot, its first channel in the output, its channels there, the source's rows).
  template <class Visit>
  void each_part(const cpu::Node& node, const Visit& visit) const {
    int first = 0;
    for (size_t slot = 0; slot < node.sources.size(); ++slot) {
      const data::Geometry& shape = node.shape_of(slot);
      visit(slot, first, shape.channels / groups_, cpu::Rows(shape, node.layout));
      first += shape.channels / groups_;
    }
  }

  void concatenate(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t stride) const {
    each_part(node, [&](size_t slot, int first, int channels, const cpu::Rows& rows) {
      if (node.sources[slot].in_place) return;
      for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
        cpu::copy_channels({const_cast<float*>(inputs[slot].data) + i * inputs[slot].stride, rows, group_ * channels},
                           {output + i * stride, cpu::Rows(node.config->out, node.layout), first}, channels, false);
      }
    });
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      cpu::clear_padding(output + i * stride, node.config->out, node.layout);
    }
  }

  int groups_, group_;
  size_t parts_;
};

// The packaged Darknet has no groups: a whole route, and something that takes as many channels.
std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  if (host::traits().route_has_groups) return {{"route", 0, layer.options.host_entries()}};
  std::vector<cfg::CfgSection> sections = {{"route", 0, {{"layers", layer.options.text("layers"), 0}}}};
  data::Geometry whole = layer.out;
  whole.channels *= layer.options.integer("groups");
  if (whole.channels != layer.out.channels) append(reshaping(whole, layer.out), &sections);
  return sections;
}

}  // namespace

graph::Op route_op() {
  return graph::Op("route", graph::Op::Kind::kLayer, "concatenates earlier outputs along the channels")
      .option(cfg::integers_option("layers", "", -(1 << 20), 1 << 20, "the layers; negative: counted back"))
      .option(cfg::integer_option("groups", "1", 1, 1 << 16, "equal parts that each layer is cut into"))
      .option(cfg::integer_option("group_id", "0", 0, 1 << 16, "the part that is taken, below groups"))
      .shaped(shape)
      .stand_in(stand_in)
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<RouteKernel>(layer); });
}

}  // namespace dng::layers
