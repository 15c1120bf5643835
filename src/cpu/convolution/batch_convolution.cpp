#include "cpu/convolution/batch_convolution.h"

#include <algorithm>

#include "cpu/convolution/convolution.h"
#include "cpu/convolution/wide_convolution.h"
#include "cpu/parallel.h"

namespace dng::cpu {
namespace {

// Sums of the weights' gradient are separate for this many groups of images, of each shard for one at least, and added
// at the end: the result does not depend on which thread took which group.
constexpr int kGroups = 8;
// Of large weights, sums for every group are expensive.
constexpr int kGroupsOfLarge = 4;

// Micro-batch by micro-batch.
class MicroBatches final : public BatchConvolution {
 public:
  MicroBatches(const ConvolutionShape& shape, const Shards& shards, int groups)
      : convolution_(make_training_convolution(shape)),
        micro_batch_(shape.micro_batch),
        micro_batches_(shards.images / shape.micro_batch),
        shards_(shards.count),
        groups_(std::min(micro_batches_, shards.parts(groups))) {}

  size_t workspace() const override { return static_cast<size_t>(shards_ * groups_) * convolution_->gradient_size(); }

  void forward(const Node& node, const graph::Pass& pass, const float* weights, float* out,
               const OutputWritten& written) override {
    const WorkspaceFrame frame(&thread_workspace());
    convolution_->prepare_forward(weights, &thread_workspace());
    for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, Workspace& workspace) {
      convolution_->forward(node.read(0, pass, range, &workspace), out + range.offset(node.out_size()), &workspace);
      written(range);
    });
  }

  void backward(const Node& node, const graph::Pass& pass, const float* weights, const OutputGradient& gradient,
                float* update) override {
    const WorkspaceFrame frame(&thread_workspace());
    if (node.sources[0].needs_gradient()) convolution_->prepare_backward(weights, &thread_workspace());
    const size_t size = convolution_->gradient_size();
    for_tasks(shards_ * groups_, [&](int task, Workspace& workspace) {
      const int shard = task / groups_ * micro_batches_, group = task % groups_;
      const int first = shard + group * micro_batches_ / groups_, end = shard + (group + 1) * micro_batches_ / groups_;
      float* sum = node.workspace + static_cast<size_t>(task) * size;
      for (int i = first; i < end; ++i) {
        const graph::Range range{i * micro_batch_, micro_batch_};
        const WorkspaceFrame micro_batch_frame(&workspace);
        const float* dx = gradient(range, &workspace);
        backward_weights(node, pass, range, dx, i > first, sum, &workspace);
        if (!node.sources[0].needs_gradient()) continue;
        float* target = node.gradient_target(0, range, &workspace);
        convolution_->backward_data(dx, target, &workspace);
        node.accumulate(0, pass, range, target, &workspace);
      }
    });
    convolution_->add_gradients(node.workspace, shards_, groups_, update);
  }

 private:
  void backward_weights(const Node& node, const graph::Pass& pass, const graph::Range& range, const float* dx, bool add,
                        float* sum, Workspace* workspace) const {
    const WorkspaceFrame frame(workspace);
    convolution_->backward_weights(node.read(0, pass, range, workspace), dx, add, sum, workspace);
  }

  std::unique_ptr<TrainingConvolution> convolution_;
  int micro_batch_, micro_batches_;  // these of a shard
  int shards_, groups_;              // groups of a shard's images whose gradients are summed separately
};

// The whole batch at once (cpu/convolution/wide_convolution.h).
class WholeBatch final : public BatchConvolution {
 public:
  WholeBatch(const ConvolutionShape& shape, int batch) : convolution_(shape, batch), micro_batch_(shape.micro_batch) {}

  void forward(const Node& node, const graph::Pass& pass, const float* weights, float* out,
               const OutputWritten& written) override {
    const WorkspaceFrame frame(&thread_workspace());
    convolution_.forward(weights, read_inputs(node, pass), out);
    for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, Workspace&) { written(range); });
  }

  void backward(const Node& node, const graph::Pass& pass, const float* weights, const OutputGradient& gradient,
                float* update) override {
    Workspace& memory = thread_workspace();
    const WorkspaceFrame frame(&memory);
    const bool needs_data = node.sources[0].needs_gradient();
    const float* inputs = read_inputs(node, pass);
    float* tiles = memory.take(convolution_.tiles_size());
    float* data = needs_data ? memory.take(convolution_.data_size()) : nullptr;
    for_ranges(node.batch, 1, [&](const graph::Range& range, Workspace& workspace) {
      const float* dx = gradient(range, &workspace);
      convolution_.read_gradients_for_weights(dx, range, tiles);
      if (needs_data) convolution_.read_gradients_for_data(dx, range, data);
    });
    convolution_.backward_weights(inputs, tiles, update);
    if (!needs_data) return;
    float* in_gradient = memory.take(static_cast<size_t>(node.batch) * node.in_size());
    convolution_.backward_data(weights, data, in_gradient);
    for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, Workspace& workspace) {
      node.accumulate(0, pass, range, in_gradient + range.offset(node.in_size()), &workspace);
    });
  }

 private:
  const float* read_inputs(const Node& node, const graph::Pass& pass) const {
    float* inputs = thread_workspace().take(convolution_.inputs_size());
    for_ranges(node.batch, 1, [&](const graph::Range& range, Workspace& workspace) {
      convolution_.read_inputs(node.read(0, pass, range, &workspace), range, inputs);
    });
    return inputs;
  }

  WideConvolution convolution_;
  int micro_batch_;
};

}  // namespace

std::unique_ptr<BatchConvolution> make_batch_convolution(ConvolutionShape shape, const Shards& shards) {
  const int64_t weights = int64_t{shape.size} * shape.size * (shape.in.channels / shape.groups) * shape.out.channels;
  // Large weights are read from memory for every micro-batch, and their gradient is written there; so are Winograd's
  // transformations of them: micro-batches may have twice the bytes.
  const bool large = weights > kLargeWeights;
  const size_t bytes = (floats_of(shape.in, shape.in_layout) + floats_of(shape.out, shape.out_layout)) * sizeof(float);
  shape.micro_batch = micro_batch_of(shards.images, large ? bytes / 2 : bytes, shards.parts(kMinMicroBatches));
  if (shards.all == 1 && WideConvolution::pays(shape, shards.images)) {
    return std::make_unique<WholeBatch>(shape, shards.images);
  }
  return std::make_unique<MicroBatches>(shape, shards, large ? kGroupsOfLarge : kGroups);
}

}  // namespace dng::cpu
