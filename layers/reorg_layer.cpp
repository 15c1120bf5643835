// [reorg]: moves blocks of stride x stride pixels into channels, [C][H][W] -> [C s s][H / s][W / s], in Darknet's
// order: output value i, with (k, j, l) its channel, row and column in the *input's* shape, is pixel (j s + k / D / s,
// l s + k / D % s) of channel k % D of the input read as [D][H s][W s], D = C / s^2.
//   reverse=1   the inverse, [C][H][W] -> [D][H s][W s]: input value i goes to that pixel
//   flatten=1   instead of the above: channels last, output[pixel][k] = input[k][pixel]; with reverse=1 the inverse
//   extra=N     instead of all of the above: the input, and N zeros behind it
#include "base/error.h"
#include "layers/image_kernel.h"
#include "layers/ops.h"
#include "layers/reorg_order.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class ReorgKernel final : public ImageKernel {
 public:
  explicit ReorgKernel(const graph::LayerConfig& layer) : from_(reorg_sources(layer)) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace*) const override {
    for (size_t i = 0; i < from_.size(); ++i) output[i] = from_[i] < 0 ? 0.0f : inputs[0][from_[i]];
  }
  void compute_gradients(const float* const*, const float*, float* delta, float* const* gradients,
                         cpu::Workspace*) const override {
    if (gradients[0] == nullptr) return;
    for (size_t i = 0; i < from_.size(); ++i) {
      if (from_[i] >= 0) gradients[0][from_[i]] += delta[i];
    }
  }

  std::vector<int> from_;
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer->options;
  const int stride = o.integer("stride"), extra = o.integer("extra");
  const data::Geometry& in = layer->in;
  if (extra > 0) {
    if (o.flag("flatten")) fail("%s: extra= is given, too; keep one of them", o.where("flatten").c_str());
    layer->out = {static_cast<int>(in.size()) + extra, 1, 1};
    return;
  }
  if (in.channels % (stride * stride) != 0) {
    fail("%s: the input has %d channels; allowed is a multiple of stride * stride = %d", o.where("stride").c_str(),
         in.channels, stride * stride);
  }
  if (o.flag("reverse")) {
    layer->out = {in.channels / (stride * stride), in.height * stride, in.width * stride};
    return;
  }
  if (in.height % stride != 0 || in.width % stride != 0) {
    fail("%s: must divide the input's height %d and width %d", o.where("stride").c_str(), in.height, in.width);
  }
  layer->out = {in.channels * stride * stride, in.height / stride, in.width / stride};
}

// Behind extra= the packaged Darknet takes flat layers alone.
std::vector<cfg::CfgSection> stand_in(const graph::LayerConfig& layer) {
  if (layer.options.integer("extra") > 0) return reshaping(layer.in, layer.out);
  return {{"reorg", 0, layer.options.host_entries()}};
}

}  // namespace

std::vector<int> reorg_sources(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const bool reverse = o.flag("reverse");
  const int stride = o.integer("stride"), extra = o.integer("extra");
  const data::Geometry& in = layer.in;
  const int space = in.height * in.width, size = space * in.channels;
  std::vector<int> from(static_cast<size_t>(size));
  const auto move = [&](int i, int cell) { from[static_cast<size_t>(reverse ? cell : i)] = reverse ? i : cell; };
  for (int i = 0; i < size; ++i) {
    const int k = i / space, j = i / in.width % in.height, l = i % in.width;
    if (extra > 0) {
      from[static_cast<size_t>(i)] = i;
    } else if (o.flag("flatten")) {
      move(i % space * in.channels + k, i);
    } else {
      const int depth = in.channels / (stride * stride), block = k / depth;
      const int y = j * stride + block / stride, x = l * stride + block % stride;
      move(i, x + in.width * stride * (y + in.height * stride * (k % depth)));
    }
  }
  from.resize(from.size() + static_cast<size_t>(extra), -1);
  return from;
}

graph::Op reorg_op() {
  return graph::Op("reorg", graph::Op::Kind::kLayer, "blocks of space into channels")
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "side of a block"))
      .option(cfg::flag_option("reverse", "0", "1: channels into blocks of space"))
      .option(cfg::flag_option("flatten", "0", "1: channels last, instead of blocks"))
      .option(cfg::integer_option("extra", "0", 0, 1 << 20, "zeros behind the input, instead of blocks"))
      .shaped(shape)
      .stand_in(stand_in)
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<ReorgKernel>(layer); });
}

}  // namespace dng::layers
