// [shortcut]: output = f(alpha input + beta earlier output). Of unequal shapes the channels that both have are added,
// at every n-th pixel of the larger; elsewhere output = f(input). The packaged Darknet computes the same forward, but
// has alpha in the gradient of the input everywhere; AlexeyAB's fork adds equal heights and widths alone, without
// factors.
#include <algorithm>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/loops/row_math.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"
#include "host/host.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

// The strided form takes every n-th pixel of the larger of the two; both sides must shrink by the same whole number.
bool strides_agree(const data::Geometry& a, const data::Geometry& b) {
  const bool a_larger = a.width >= b.width;
  const data::Geometry& large = a_larger ? a : b;
  const data::Geometry& small = a_larger ? b : a;
  return large.width % small.width == 0 && large.height % small.height == 0 &&
         large.width / small.width == large.height / small.height;
}

void shape(graph::LayerConfig* layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer->options;
  o.require("from", "name the layer that is added, e.g. from=-3");
  layer->sources.push_back(context.resolve(o, "from", o.integer("from")));
  const data::Geometry from = context.shape_of(layer->sources[1]);
  if (layer->index == 0) fail("%s: there is no layer before it", o.where().c_str());
  const bool equal =
      from.channels == layer->in.channels && from.height == layer->in.height && from.width == layer->in.width;
  layer->equal_sources = equal;
  if (equal) return;
  const std::string shapes =
      format("layer %d is %dx%dx%d, the input is %dx%dx%d", context.number_of(layer->sources[1]), from.channels,
             from.height, from.width, layer->in.channels, layer->in.height, layer->in.width);
  if (!strides_agree(from, layer->in)) {
    fail("%s: %s; height and width must differ by the same whole factor", o.where("from").c_str(), shapes.c_str());
  }
}

// Equal shapes, as residual networks have them.
class ShortcutKernel final : public cpu::Kernel {
 public:
  ShortcutKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }

  bool fuse_activation(math::Activation activation) override { return fuse(activation, &activation_); }

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = role.lazy = role.costly = role.passes_through = role.passes_through_unchanged = true;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_input = math::gradient_reads_input(activation_);
    role.reads_output = role.changes_delta && !role.reads_input;
    return role;
  }

  void compute(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* output,
               cpu::Workspace* workspace) override {
    const size_t size = node.out_size();
    for (int i = 0; i < range.count; ++i) {
      add(node, pass, range.first + i, activation_, output + static_cast<size_t>(i) * size, workspace);
    }
  }

  void backward_epilogue(const cpu::Node& node, const graph::Pass& pass, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    const size_t first = range.offset(node.stride), size = node.out_size();
    if (math::gradient_reads_input(activation_)) {
      for (int i = 0; i < range.count; ++i) {
        const cpu::WorkspaceFrame frame(workspace);
        float* sum = workspace->take(size);
        add(node, pass, range.first + i, math::Activation::kLinear, sum, workspace);
        cpu::row_activation_gradient(sum, size, activation_, node.delta + first + static_cast<size_t>(i) * size);
      }
    } else if (activation_ != math::Activation::kLinear) {
      cpu::row_activation_gradient(node.output + first, static_cast<size_t>(range.count) * size, activation_,
                                   node.delta + first);
    }
    node.pass_through(pass, range, workspace);
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    cpu::row_add(inputs[0].data, inputs[1].data, static_cast<size_t>(images) * node.out_size(), activation_, output);
  }

 private:
  static void add(const cpu::Node& node, const graph::Pass& pass, int image, math::Activation activation, float* sum,
                  cpu::Workspace* workspace) {
    const cpu::WorkspaceFrame frame(workspace);
    node.read_into(0, pass, {image, 1}, sum, workspace);
    cpu::row_add(sum, node.read(1, pass, {image, 1}, workspace), node.out_size(), activation, sum);
  }

  math::Activation activation_;
};

// Unequal shapes, and factors.
class GeneralShortcutKernel final : public cpu::Kernel {
 public:
  GeneralShortcutKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), alpha_(factor(layer, "alpha")), beta_(factor(layer, "beta")) {}
  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = math::gradient_reads_input(activation_);
    role.reads_output = activation_ != math::Activation::kLinear && !role.reads_input;
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup&) override {
    out_ = cpu::Rows(node.config->out, node.layout);
    from_ = cpu::Rows(node.shape_of(1), node.layout);
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      float* output = node.output + image.offset(out_.size());
      add(node, pass, image, output);
      cpu::row_activation(output, out_.size(), activation_);
    });
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    float *input = node.input_delta(), *from = node.sources[1].needs_gradient() ? node.source(1)->delta : nullptr;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      const size_t first = image.offset(out_.size());
      float* delta = node.delta + first;
      const float* y = node.output + first;
      if (math::gradient_reads_input(activation_)) {
        float* sum = workspace.take(out_.size());
        add(node, pass, image, sum);
        y = sum;
      }
      cpu::row_activation_gradient(y, out_.size(), activation_, delta);
      if (input != nullptr) cpu::row_accumulate(delta, out_.size(), input + first);
      each_pair(node, [&](size_t at, size_t from_at) {
        if (input != nullptr) input[first + at] += (alpha_ - 1) * delta[at];
        if (from != nullptr) from[image.offset(from_.size()) + from_at] += beta_ * delta[at];
      });
    });
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      add(node, inputs[0].data + i * out_.size(), inputs[1].data + i * from_.size(), output + i * out_.size());
    }
    cpu::row_activation(output, static_cast<size_t>(images) * out_.size(), activation_);
  }

 private:
  static float factor(const graph::LayerConfig& layer, const char* name) {
    return layer.options.has(name) ? static_cast<float>(layer.options.real(name)) : 1;
  }

  void add(const cpu::Node& node, const graph::Pass& pass, const graph::Range& image, float* sum) const {
    add(node, node.input(pass) + image.offset(out_.size()), node.source(1)->output + image.offset(from_.size()), sum);
  }

  void add(const cpu::Node& node, const float* input, const float* from, float* sum) const {
    std::copy(input, input + out_.size(), sum);
    each_pair(node, [&](size_t at, size_t from_at) { sum[at] = alpha_ * sum[at] + beta_ * from[from_at]; });
  }

  // Calls visit(index in the output, index in the added layer) for every pair of values of an image that are added.
  template <class Visit>
  void each_pair(const cpu::Node& node, const Visit& visit) const {
    const data::Geometry &out = node.config->out, &from = node.shape_of(1);
    const int step = std::max(1, from.width / out.width), spread = std::max(1, out.width / from.width);
    const auto at = [](const cpu::Rows& rows, const data::Geometry& shape, int c, int y, int x) {
      return rows.offset(c / rows.block) + static_cast<size_t>((y * shape.width + x) * rows.block + c % rows.block);
    };
    for (int c = 0; c < std::min(out.channels, from.channels); ++c) {
      for (int y = 0; y < std::min(out.height, from.height); ++y) {
        for (int x = 0; x < std::min(out.width, from.width); ++x) {
          visit(at(out_, out, c, y * spread, x * spread), at(from_, from, c, y * step, x * step));
        }
      }
    }
  }

  math::Activation activation_;
  float alpha_, beta_;
  cpu::Rows out_, from_;
};

std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  const bool unknown = !layer.equal_sources && host::traits().shortcut_needs_equal_shapes;
  return unknown ? same_shape(layer) : with_known_activation(layer);
}

std::unique_ptr<cpu::Kernel> make_shortcut_kernel(const graph::LayerConfig& layer) {
  if (layer.equal_sources && !has_shortcut_factors(layer)) return make_with_activation<ShortcutKernel>(layer);
  return make_with_activation<GeneralShortcutKernel>(layer);
}

}  // namespace

graph::Op shortcut_op() {
  graph::Op op("shortcut", graph::Op::Kind::kLayer, "adds the output of an earlier layer");
  op.option(cfg::integer_option("from", "", -(1 << 20), 1 << 20, "the layer that is added; negative: counted back"))
      .option(activation_option("linear"))
      .option(cfg::real_option("alpha", "1", -1e6, 1e6, "factor on the input"))
      .option(cfg::real_option("beta", "1", -1e6, 1e6, "factor on the earlier layer"))
      .shaped(shape)
      .stand_in(stand_in)
      .kernel(make_shortcut_kernel);
  for (const char* key : {"weights_type", "weights_normalization"}) {
    op.refuse(key, "this program does not train weighted shortcuts; remove it");
  }
  return op;
}

}  // namespace dng::layers
