// [dropout]: in training, sets each value to zero with the given probability and scales the others by
// 1 / (1 - probability); at evaluation the identity. Shapes are kept.
// Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
// dropblock=1: squares of pixels (layers/drop_blocks.h).
// The mask is drawn from the counter-based generator by (seed, layer, position of the image in training), so it is the
// same after a resume and for any number of threads. Unlike Darknet's, it does not change its input in place: that
// spoils the gradient of the layer before where it is computed from its output.
#include <algorithm>
#include <cstring>

#include "base/random.h"
#include "cpu/kernel.h"
#include "cpu/loops/channels.h"
#include "cpu/parallel.h"
#include "host/host.h"
#include "layers/drop_blocks.h"
#include "layers/dropout_options.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class DropoutKernel final : public cpu::Kernel {
 public:
  explicit DropoutKernel(const graph::LayerConfig& layer)
      : probability_(dropout_probability(layer.options)),
        drops_blocks_(layer.options.flag("dropblock")),
        block_size_(drop_block_size(layer)) {}

  cpu::LayoutUse layout_use() const override { return cpu::LayoutUse::kSame; }
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_input = role.reads_output = false;
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup&) override {
    factors_.assign(node.out_size() * static_cast<size_t>(node.batch), 1.0f);
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    const cpu::Rows rows(node.config->out, node.layout);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace&) {
      CounterRandom random(pass.seed, Stream::kDropout, static_cast<uint64_t>(pass.first_position + image.first),
                           static_cast<uint64_t>(node.index));
      const size_t first = image.offset(node.out_size());
      cpu::clear_padding(node.output + first, node.config->out, node.layout);
      // In the order of the plain layout, so that the mask is the same in either.
      const auto place = [&](int c, size_t i) {
        return first + rows.offset(c / rows.block) + static_cast<size_t>(c % rows.block) +
               i * static_cast<size_t>(rows.block);
      };
      if (drops_blocks_) {
        draw_blocks(node, pass.progress, place, &random);
      } else {
        draw(node, place, &random);
      }
      for (int c = 0; c < node.config->out.channels; ++c) {
        for (size_t i = 0; i < rows.space; ++i) node.output[place(c, i)] = input[place(c, i)] * factors_[place(c, i)];
      }
    });
  }

  void backward(const cpu::Node& node, graph::Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    for (size_t i = 0; i < factors_.size(); ++i) input_delta[i] += node.delta[i] * factors_[i];
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace*) override {
    std::memcpy(output, inputs[0].data, static_cast<size_t>(images) * node.out_size() * sizeof(float));
  }

 private:
  // factors_[place(channel, pixel)] of an image.
  template <class Place>
  void draw(const cpu::Node& node, const Place& place, CounterRandom* random) {
    const auto scale = static_cast<float>(1.0 / (1.0 - probability_));
    const size_t space = node.config->out.size() / static_cast<size_t>(node.config->out.channels);
    for (int c = 0; c < node.config->out.channels; ++c) {
      for (size_t i = 0; i < space; ++i) factors_[place(c, i)] = random->uniform() < probability_ ? 0.0f : scale;
    }
  }

  template <class Place>
  void draw_blocks(const cpu::Node& node, double progress, const Place& place, CounterRandom* random) {
    const data::Geometry& shape = node.config->out;
    const DropBlocks blocks(shape, probability_, block_size_, progress);
    std::vector<int> corners;
    for (int c = 0; c < shape.channels; ++c) corners.push_back(blocks.corner(random));
    const auto squares = std::count_if(corners.begin(), corners.end(), [](int corner) { return corner >= 0; });
    const float scale = blocks.scale(static_cast<int>(squares));
    for (int c = 0; c < shape.channels; ++c) {
      for (int i = 0; i < shape.height * shape.width; ++i) {
        const bool drops = blocks.drops(corners[static_cast<size_t>(c)], i);
        factors_[place(c, static_cast<size_t>(i))] = drops ? 0.0f : scale;
      }
    }
  }

  double probability_;
  bool drops_blocks_;
  double block_size_;
  std::vector<float> factors_;
};

}  // namespace

double dropout_probability(const cfg::Options& options) {
  return options.has("probability") ? options.real("probability") : host::traits().dropout_probability;
}

double drop_block_size(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const int shorter = std::min(layer.in.height, layer.in.width);
  if (o.given("dropblock_size_rel") && !o.given("dropblock_size_abs")) return o.real("dropblock_size_rel") * shorter;
  return std::min(shorter, o.integer("dropblock_size_abs"));
}

graph::Op dropout_op() {
  return graph::Op("dropout", graph::Op::Kind::kLayer, "sets values to zero at random while training")
      .option(cfg::open_high(cfg::real_option("probability", "", 0, 1,
                                              "of a value being dropped (default: 0.5; for AlexeyAB's fork 0.2)")))
      .option(cfg::flag_option("dropblock", "0", "1: squares of pixels instead of single values"))
      .option(cfg::integer_option("dropblock_size_abs", "7", 1, 1 << 14, "their side, at the end of the training"))
      .option(cfg::open_low(cfg::real_option("dropblock_size_rel", "", 0, 1,
                                             "the same as a share of height and width (default: dropblock_size_abs)")))
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<DropoutKernel>(layer); });
}

}  // namespace dng::layers
