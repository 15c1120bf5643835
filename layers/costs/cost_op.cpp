#include "layers/costs/cost_op.h"

#include <vector>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/parallel.h"

namespace dng::layers {
namespace {

// Softmax and a cost on the CPU.
class CostKernel final : public cpu::Kernel {
 public:
  CostKernel(std::unique_ptr<math::Cost> cost, const graph::LayerConfig& layer)
      : cost_(std::move(cost)), classes_(static_cast<int>(layer.out.size())), temperature_(logit_temperature(layer)) {}

  void prepare(const cpu::Node&, const cpu::Setup& setup) override { shards_ = setup.shards; }

  // Training and evaluation: the whole batch, from the stored logits. The executor runs this instead of infer.
  void forward(const cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    const bool weighted = pass.training && !node.config->class_weights.empty();
    losses_.assign(static_cast<size_t>(node.batch), 0.0);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      const size_t row = image.offset(static_cast<size_t>(classes_));
      double* z = reinterpret_cast<double*>(workspace.take(10 * static_cast<size_t>(classes_)));
      double* log_f = z + classes_;
      double* f = log_f + classes_;
      double* teacher = f + classes_;
      double* gradient = teacher + classes_;
      for (int j = 0; j < classes_; ++j) z[j] = input[row + j] / temperature_;
      math::log_softmax(classes_, z, log_f, f);
      for (int j = 0; j < classes_; ++j) node.output[row + j] = static_cast<float>(f[j]);
      const bool scored = pass.labels != nullptr && image.first < pass.count;
      if (scored) {
        if (pass.teacher != nullptr) {
          for (int j = 0; j < classes_; ++j) teacher[j] = pass.teacher[row + j];
        }
        const math::CostRow sample{classes_,
                                   z,
                                   log_f,
                                   f,
                                   pass.labels[image.first],
                                   pass.teacher != nullptr ? teacher : nullptr,
                                   pass.training ? node.config->label_smoothing : 0.0,
                                   pass.mixes != nullptr ? pass.mixes + image.first : nullptr,
                                   weighted ? node.config->class_weights.data() : nullptr};
        losses_[static_cast<size_t>(image.first)] = cost_->evaluate(sample, pass.epoch, gradient);
      }
      if (!pass.training) return;
      for (int j = 0; j < classes_; ++j) node.delta[row + j] = scored ? static_cast<float>(-gradient[j]) : 0.0f;
    });
    std::vector<double> sums(static_cast<size_t>(shards_.count), 0.0);
    for (int b = 0; b < node.batch; ++b) {
      sums[static_cast<size_t>(b / shards_.images)] += losses_[static_cast<size_t>(b)];
    }
    cpu::add_shards(shards_.count, 1, sums.data());
    pass.loss = sums[0];
  }

  void backward(const cpu::Node& node, graph::Pass&) override {
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    const size_t count = static_cast<size_t>(node.batch) * static_cast<size_t>(classes_);
    for (size_t i = 0; i < count; ++i) input_delta[i] += node.delta[i];
  }

 private:
  std::unique_ptr<math::Cost> cost_;
  int classes_;
  double temperature_;
  cpu::Shards shards_;
  std::vector<double> losses_;  // of each image
};

}  // namespace

double logit_temperature(const graph::LayerConfig& layer) {
  return layer.op->section == "softmax" ? layer.options.real("temperature") : 1;
}

graph::Op cost_op(const std::string& section, const std::string& summary, const graph::CostFactory& factory) {
  graph::Op op(section, graph::Op::Kind::kCost, summary);
  op.cost = factory;
  op.shaped([](graph::LayerConfig* layer, const graph::ShapeContext&) {
      layer->out = {static_cast<int>(layer->in.size()), 1, 1};
    })
      // It owns output, delta and cost, and stays the network's output.
      .stand_in([](const graph::LayerConfig&) {
        return std::vector<cfg::CfgSection>{{"softmax", 0, {{"groups", "1", 0}}}};
      })
      .kernel(
          [factory](const graph::LayerConfig& layer) { return std::make_unique<CostKernel>(factory(layer), layer); });
  return op;
}

}  // namespace dng::layers
