// [scale_channels]: multiplies an earlier layer by this input, y = f(gate map) (squeeze and excitation).
//   scale_wh=0  a factor for each channel: gate [C][1][1], map [C][H][W] -> [C][H][W]
//   scale_wh=1  a factor for each pixel:   gate [1][H][W], map [C][H][W] -> [C][H][W]
#include "base/error.h"
#include "cpu/workspace.h"
#include "host/host.h"
#include "layers/image_kernel.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class ScaleChannelsKernel final : public ImageKernel {
 public:
  ScaleChannelsKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), by_pixel_(layer.options.flag("scale_wh")) {}
  cpu::LayoutUse layout_use() const override { return by_pixel_ ? cpu::LayoutUse::kPlain : cpu::LayoutUse::kSame; }
  void prepare(const cpu::Node& node, const cpu::Setup&) override { rows_ = cpu::Rows(node.config->out, node.layout); }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = activation_ != math::Activation::kLinear && !math::gradient_reads_input(activation_);
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    multiply(inputs, output);
    cpu::row_activation(output, rows_.size(), activation_);
  }

  void compute_gradients(const float* const* inputs, const float* output, float* delta, float* const* gradients,
                         cpu::Workspace* workspace) const override {
    if (math::gradient_reads_input(activation_)) {
      float* product = workspace->take(rows_.size());
      multiply(inputs, product);
      output = product;
    }
    cpu::row_activation_gradient(output, rows_.size(), activation_, delta);
    const float zero[cpu::kLanes] = {};
    for (int row = 0; row < rows_.count(); ++row) {
      const float *map = inputs[1] + rows_.offset(row), *dy = delta + rows_.offset(row);
      float* to = gradients[1] == nullptr ? nullptr : gradients[1] + rows_.offset(row);
      if (by_pixel_) {
        for (size_t i = 0; i < rows_.space; ++i) {
          if (gradients[0] != nullptr) gradients[0][i] += dy[i] * map[i];
          if (to != nullptr) to[i] += dy[i] * inputs[0][i];
        }
        continue;
      }
      if (gradients[0] != nullptr) {
        float sum[cpu::kLanes] = {}, product[cpu::kLanes] = {};
        double products[cpu::kLanes];
        cpu::row_gradient_sums(dy, map, rows_.length(), zero, sum, product);
        cpu::spread_lanes(product, rows_, products);
        for (int l = 0; l < rows_.block; ++l) gradients[0][rows_.channel(row) + l] += static_cast<float>(products[l]);
      }
      if (to != nullptr) {
        float gate[cpu::kLanes];
        cpu::row_add_normalised_gradient(dy, map, rows_.length(), zero, lanes(inputs[0], row, gate), zero, zero, to);
      }
    }
  }

  void multiply(const float* const* inputs, float* output) const {
    const float zero[cpu::kLanes] = {};
    for (int row = 0; row < rows_.count(); ++row) {
      const float* map = inputs[1] + rows_.offset(row);
      float *y = output + rows_.offset(row), gate[cpu::kLanes];
      if (by_pixel_) {
        for (size_t i = 0; i < rows_.space; ++i) y[i] = map[i] * inputs[0][i];
      } else {
        cpu::row_affine(map, rows_.length(), zero, lanes(inputs[0], row, gate), zero, math::Activation::kLinear, y);
      }
    }
  }

  // The factors of a row's channels in all lanes.
  const float* lanes(const float* gate, int row, float* buffer) const {
    for (int l = 0; l < cpu::kLanes; ++l) buffer[l] = gate[rows_.channel(row, l)];
    return buffer;
  }

  math::Activation activation_;
  bool by_pixel_;
  cpu::Rows rows_;
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext& context) {
  const cfg::Options& o = layer->options;
  o.require("from", "name the layer that is scaled");
  layer->sources.push_back(context.resolve(o, "from", o.integer("from")));
  layer->out = context.shape_of(layer->sources[1]);
  const data::Geometry &in = layer->in, &out = layer->out;
  if (o.flag("scale_wh")) {
    if (in.channels == 1 && in.height == out.height && in.width == out.width) return;
    fail("%s: its input is %dx%dx%d; it must be 1x%dx%d, one factor for each pixel of layer %d",
         o.where("scale_wh").c_str(), in.channels, in.height, in.width, out.height, out.width,
         context.number_of(layer->sources[1]));
  }
  if (in.channels == out.channels && in.height == 1 && in.width == 1) return;
  fail("%s: its input is %dx%dx%d; it must be %dx1x1, one factor for each channel of layer %d", o.where("from").c_str(),
       in.channels, in.height, in.width, out.channels, context.number_of(layer->sources[1]));
}

std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  if (host::traits().has_scale_channels) return with_known_activation(layer);
  return reshaping(layer.in, layer.out);
}

}  // namespace

graph::Op scale_channels_op() {
  return graph::Op("scale_channels", graph::Op::Kind::kLayer, "multiplies an earlier layer by this input")
      .option(cfg::integer_option("from", "", -(1 << 20), 1 << 20, "the layer that is scaled"))
      .option(cfg::flag_option("scale_wh", "0", "1: a factor for each pixel instead of each channel"))
      .option(activation_option("linear"))
      .shaped(shape)
      .stand_in(stand_in)
      .kernel(make_with_activation<ScaleChannelsKernel>);
}

}  // namespace dng::layers
