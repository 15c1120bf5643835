#include "layers/dropout_layer.h"

#include <cstring>

#include "base/random.h"
#include "engine/kernel.h"

namespace dng {
namespace {

class DropoutKernel final : public Kernel {
 public:
  explicit DropoutKernel(double probability)
      : probability_(probability), scale_(static_cast<float>(1.0 / (1.0 - probability))) {}

  void prepare(Node* node) override {
    const size_t count = node->out_size() * static_cast<size_t>(node->batch);
    factors_.assign(count, 1.0f);
    node->own_output.resize(count);
    node->own_delta.resize(count);
  }

  void forward(Node& node, Pass& pass) override {
    const float* input = node.input(pass);
    const size_t size = node.out_size();
    if (!pass.training) {
      std::memcpy(node.output, input, size * static_cast<size_t>(node.batch) * sizeof(float));
      return;
    }
    for (int b = 0; b < node.batch; ++b) {
      CounterRandom random(pass.seed, Stream::kDropout, static_cast<uint64_t>(pass.first_position + b),
                           static_cast<uint64_t>(node.index));
      const size_t first = static_cast<size_t>(b) * size;
      for (size_t i = first; i < first + size; ++i) {
        factors_[i] = random.uniform() < probability_ ? 0.0f : scale_;
        node.output[i] = input[i] * factors_[i];
      }
    }
  }

  void backward(Node& node, Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    for (size_t i = 0; i < factors_.size(); ++i) input_delta[i] += node.delta[i] * factors_[i];
  }

 private:
  double probability_;
  float scale_;
  std::vector<float> factors_;
};

}  // namespace

Op dropout_op() {
  Op op("dropout", Op::Kind::kLayer, "sets values to zero at random while training");
  op.option(open_high(real_option("probability", "0.5", 0, 1, "of a value being dropped")))
      .kernel(Device::kCpu, [](const LayerConfig& layer) {
        return std::make_unique<DropoutKernel>(layer.options.real("probability"));
      });
  add_common_options(&op);
  return op;
}

}  // namespace dng
