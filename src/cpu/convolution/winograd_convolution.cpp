// The Winograd algorithm of cpu/convolution/convolution.h.
#include <algorithm>
#include <vector>

#include "cpu/convolution/convolution.h"
#include "cpu/convolution/convolution_weights.h"
#include "cpu/convolution/winograd.h"
#include "cpu/parallel.h"
#include "cpu/values.h"
#include "cpu/workspace.h"

namespace dng::cpu {
namespace {

class WinogradTraining final : public TrainingConvolution {
 public:
  explicit WinogradTraining(const ConvolutionShape& shape)
      : weights_(shape),
        forward_(winograd_shape(shape), WinogradWeights::kForward),
        data_(rotated_winograd_shape(shape), WinogradWeights::kRotated),
        weights_gradient_(winograd_shape(shape)) {}

  void prepare_forward(const float* weights, Workspace* workspace) override {
    forward_points_ = transformed(forward_, weights, workspace);
  }
  void prepare_backward(const float* weights, Workspace* workspace) override {
    data_points_ = transformed(data_, weights, workspace);
  }

  void forward(const float* in, float* out, Workspace* workspace) const override {
    forward_.run(in, forward_points_, nullptr, false, out, workspace);
  }
  void backward_data(const float* out_gradient, float* in_gradient, Workspace* workspace) const override {
    data_.run(out_gradient, data_points_, nullptr, false, in_gradient, workspace);
  }
  void backward_weights(const float* in, const float* out_gradient, bool add, float* gradient,
                        Workspace* workspace) const override {
    weights_gradient_.run(in, out_gradient, add, gradient, workspace);
  }
  size_t gradient_size() const override { return weights_gradient_.size(); }
  void add_gradients(float* gradients, int shards, int parts, float* weights) override {
    const WorkspaceFrame frame(&thread_workspace());
    // In Darknet's layout, with the channels as stored.
    float* sums = thread_workspace().take(static_cast<size_t>(shards) * weights_.size());
    weights_gradient_.finish(gradients, shards, parts, sums);
    weights_.add(sums, weights);
  }

 private:
  const float* transformed(const WinogradConvolution& convolution, const float* weights, Workspace* workspace) {
    float* points = workspace->take(convolution.points_size());
    convolution.transform(weights_.pad(weights, nullptr), points);
    return points;
  }

  ConvolutionWeights weights_;
  WinogradConvolution forward_, data_;
  WinogradGradient weights_gradient_;
  const float* forward_points_ = nullptr;
  const float* data_points_ = nullptr;
};

class WinogradInference final : public InferenceConvolution {
 public:
  WinogradInference(const ConvolutionShape& shape, bool relu)
      : weights_(shape),
        convolution_(winograd_shape(shape), WinogradWeights::kForward),
        filters_(shape.out.channels),
        relu_(relu),
        bias_(static_cast<size_t>(shape.stored_out())),
        points_(convolution_.points_size()) {}

  void set_weights(const float* weights, const float* factor, const float* shift) override {
    convolution_.transform(weights_.pad(weights, factor), points_.data());
    std::copy(shift, shift + filters_, bias_.begin());
  }
  void forward(const float* in, float* out, Workspace* workspace) const override {
    convolution_.run(in, points_.data(), bias_.data(), relu_, out, workspace);
  }

 private:
  ConvolutionWeights weights_;
  WinogradConvolution convolution_;
  int filters_;
  bool relu_;
  std::vector<float> bias_;
  Values points_;
};

}  // namespace

std::unique_ptr<TrainingConvolution> make_winograd_training(const ConvolutionShape& shape) {
  return std::make_unique<WinogradTraining>(shape);
}

std::unique_ptr<InferenceConvolution> make_winograd_inference(const ConvolutionShape& shape, bool relu) {
  return std::make_unique<WinogradInference>(shape, relu);
}

}  // namespace dng::cpu
