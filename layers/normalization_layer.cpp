// [normalization]: local response normalisation over channels (AlexNet); alias [lrn]. Shapes are kept.
//   y_k = x_k n_k^-beta, n_k = kappa + alpha (sum of x_j^2 over the channels j from k - (size - 1) / 2 to k + size / 2)
//   dL/dx_j = dy_j n_j^-beta - 2 alpha beta x_j (sum of dy_k x_k n_k^(-beta - 1) over the k whose window has j)
// Both Darknets leave the square of channel size / 2 out of every n_k (which can then be 0 or less), and take n as a
// constant in the gradient: with alpha x^2 far below kappa, as in AlexNet, the outputs differ little.
#include <algorithm>
#include <cmath>

#include "cpu/workspace.h"
#include "layers/image_kernel.h"
#include "layers/ops.h"

namespace dng::layers {
namespace {

class NormalizationKernel final : public ImageKernel {
 public:
  explicit NormalizationKernel(const graph::LayerConfig& layer)
      : channels_(layer.in.channels),
        before_((layer.options.integer("size") - 1) / 2),
        behind_(layer.options.integer("size") / 2),
        space_(static_cast<size_t>(layer.in.height) * static_cast<size_t>(layer.in.width)),
        alpha_(static_cast<float>(layer.options.real("alpha"))),
        beta_(static_cast<float>(layer.options.real("beta"))),
        kappa_(static_cast<float>(layer.options.real("kappa"))) {}
  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = false;
    return role;
  }

 private:
  void compute_image(const float* const* inputs, float* output, cpu::Workspace* workspace) const override {
    const float* x = inputs[0];
    float* squares = workspace->take(size());
    for (size_t i = 0; i < size(); ++i) squares[i] = x[i] * x[i];
    window_sums(squares, before_, behind_, output);
    for (size_t i = 0; i < size(); ++i) output[i] = x[i] * std::pow(kappa_ + alpha_ * output[i], -beta_);
  }

  void compute_gradients(const float* const* inputs, const float*, float* delta, float* const* gradients,
                         cpu::Workspace* workspace) const override {
    if (gradients[0] == nullptr) return;
    const float* x = inputs[0];
    float *terms = workspace->take(size()), *sums = workspace->take(size());
    for (size_t i = 0; i < size(); ++i) terms[i] = x[i] * x[i];
    window_sums(terms, before_, behind_, sums);
    for (size_t i = 0; i < size(); ++i) {
      const float n = kappa_ + alpha_ * sums[i], direct = delta[i] * std::pow(n, -beta_);
      gradients[0][i] += direct;
      terms[i] = direct * x[i] / n;
    }
    window_sums(terms, behind_, before_, sums);
    for (size_t i = 0; i < size(); ++i) gradients[0][i] -= 2 * alpha_ * beta_ * x[i] * sums[i];
  }

  // sums[k] = the sum of values[j], j from k - before to k + behind.
  void window_sums(const float* values, int before, int behind, float* sums) const {
    std::fill_n(sums, size(), 0.0f);
    for (int k = 0; k < channels_; ++k) {
      float* to = sums + static_cast<size_t>(k) * space_;
      for (int j = std::max(0, k - before); j <= std::min(channels_ - 1, k + behind); ++j) {
        const float* from = values + static_cast<size_t>(j) * space_;
        for (size_t i = 0; i < space_; ++i) to[i] += from[i];
      }
    }
  }

  size_t size() const { return static_cast<size_t>(channels_) * space_; }

  int channels_, before_, behind_;
  size_t space_;
  float alpha_, beta_, kappa_;
};

}  // namespace

graph::Op normalization_op() {
  return graph::Op("normalization", graph::Op::Kind::kLayer, "local response normalisation")
      .alias("lrn")
      .option(cfg::real_option("alpha", "0.0001", 0, 1e6, "factor on the sum of squares"))
      .option(cfg::real_option("beta", "0.75", 0, 1e3, "exponent"))
      .option(cfg::open_low(cfg::real_option("kappa", "1", 0, 1e6, "added to the sum")))
      .option(cfg::integer_option("size", "5", 1, 1 << 16, "channels summed over"))
      .kernel([](const graph::LayerConfig& layer) { return std::make_unique<NormalizationKernel>(layer); });
}

}  // namespace dng::layers
