// [dropout]: in training, sets each value to zero with the given probability and scales the others by
// 1 / (1 - probability); at evaluation the identity. Shapes are kept.
// Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
// The mask is drawn from the counter-based generator by (seed, layer, position of the image in training), so it is the
// same after a resume and for any number of threads. Unlike Darknet's, it does not change its input in place: that
// spoils the gradient of the layer before where it is computed from its output.
#include <cstring>

#include "base/random.h"
#include "cpu/kernel.h"
#include "cpu/loops/channels.h"
#include "cpu/parallel.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class DropoutKernel final : public cpu::Kernel {
 public:
  explicit DropoutKernel(double probability)
      : probability_(probability), scale_(static_cast<float>(1.0 / (1.0 - probability))) {}

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
      for (int c = 0; c < node.config->out.channels; ++c) {
        const size_t start = first + rows.offset(c / rows.block) + static_cast<size_t>(c % rows.block);
        for (size_t i = 0; i < rows.space; ++i) {
          const size_t at = start + i * static_cast<size_t>(rows.block);
          factors_[at] = random.uniform() < probability_ ? 0.0f : scale_;
          node.output[at] = input[at] * factors_[at];
        }
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
  double probability_;
  float scale_;
  std::vector<float> factors_;
};

}  // namespace

graph::Op dropout_op() {
  return graph::Op("dropout", graph::Op::Kind::kLayer, "sets values to zero at random while training")
      .option(cfg::open_high(cfg::real_option("probability", "0.5", 0, 1, "of a value being dropped")))
      .kernel([](const graph::LayerConfig& layer) {
        return std::make_unique<DropoutKernel>(layer.options.real("probability"));
      });
}

}  // namespace dng::layers
