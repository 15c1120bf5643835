#include "layers/convolutional_kernel.h"

#include <algorithm>
#include <vector>

#include "cpu/convolution/convolution.h"
#include "cpu/convolution/wide_convolution.h"
#include "cpu/loops/batchnorm_math.h"
#include "cpu/parallel.h"
#include "layers/convolutional_layer.h"

namespace dng::layers {
namespace {

// Sums of the weights' gradient are kept apart for this many groups of images and added in order at the end: the result
// does not depend on which thread took which group.
constexpr int kGroups = 8;
// Sums of large weights are dear to keep apart.
constexpr int kGroupsOfLarge = 2;

class ConvolutionalKernel final : public cpu::Kernel {
 public:
  ConvolutionalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation),
        size_(layer.options.integer("size")),
        stride_(layer.options.integer("stride")),
        padding_(convolution_padding(layer.options)),
        groups_(layer.options.integer("groups")),
        batch_normalize_(layer.options.flag("batch_normalize")),
        blocks_groups_(layer.in.channels % (cpu::block_channels() * groups_) == 0 &&
                       layer.out.channels % (cpu::block_channels() * groups_) == 0) {}

  // With groups, channels that padding added would be in the wrong group.
  cpu::LayoutUse layout_use() const override {
    return groups_ > 1 && !blocks_groups_ ? cpu::LayoutUse::kPlain : cpu::LayoutUse::kEach;
  }
  bool fuse_activation(math::Activation activation) override {
    if (activation_ != math::Activation::kLinear) return false;
    activation_ = activation;
    return true;
  }
  bool can_subsample() const override { return size_ == 1 && stride_ == 1 && padding_ == 0; }

  void prepare(cpu::Node* node) override {
    const std::vector<host::Block> blocks = node->host->blocks(node->index);
    weights_ = blocks.back();
    bias_ = blocks.front();
    rows_ = cpu::Rows(node->config->out, node->layout);
    shape_.in = node->in;
    shape_.out = node->config->out;
    shape_.in_layout = node->in_layout();
    shape_.out_layout = node->layout;
    shape_.size = size_;
    shape_.stride = stride_ * node->subsample;
    shape_.padding = padding_;
    shape_.groups = groups_;
    shape_.direct_only = node->reference;
    // Large weights come from memory anew for every micro-batch, and their gradient goes there; so do Winograd's
    // transformations of them: micro-batches may have twice the bytes.
    const bool large = weights_.count > cpu::kLargeWeights;
    const size_t bytes = (node->in_size() + rows_.size()) * sizeof(float);
    micro_batch_ = cpu::micro_batch_of(node->batch, large ? bytes / 2 : bytes,
                                       cpu::least_micro_batches(node->threads, weights_.count));
    shape_.micro_batch = micro_batch_;
    if (batch_normalize_) {
      batchnorm_ = std::make_unique<cpu::BatchNorm>(blocks, rows_, node->batch, host::traits().batchnorm.rolling_rate);
    } else {
      partial_.resize(static_cast<size_t>(rows_.channels) * static_cast<size_t>(node->batch));
    }
    if (!node->trains) return;
    if (cpu::WideConvolution::pays(shape_, node->batch)) {
      wide_ = std::make_unique<cpu::WideConvolution>(shape_, node->batch);
      return;
    }
    training_ = std::make_unique<cpu::TrainingConvolution>(shape_);
    const int micro_batches = node->batch / micro_batch_;
    // As many groups as there are threads at least, where that many are not there anyway.
    const int wanted = std::max(large ? kGroupsOfLarge : kGroups, node->threads);
    sums_ = std::min(micro_batches, wanted);
  }

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.by_range = true;
    role.lazy = batch_normalize_;
    role.changes_delta = activation_ != math::Activation::kLinear;
    role.reads_output = !batch_normalize_ && activation_ != math::Activation::kLinear;
    role.saved = batch_normalize_ ? rows_.size() : 0;
    role.workspace = training_ ? static_cast<size_t>(sums_) * training_->gradient_size() : 0;
    return role;
  }

  void forward(cpu::Node& node, graph::Pass& pass) override {
    const cpu::WorkspaceFrame frame(&cpu::thread_workspace());
    float* x = batch_normalize_ ? node.saved : node.output;
    if (wide_) {
      float* inputs = read_inputs(node, pass);
      wide_->forward(weights_.value, inputs, x);
      cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace&) { measure(range, x); });
    } else {
      training_->prepare_forward(weights_.value, &cpu::thread_workspace());
      cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
        training_->forward(node.read(0, pass, range, &workspace), x + range.offset(rows_.size()), &workspace);
        measure(range, x);
      });
    }
    if (batchnorm_) batchnorm_->finish(pass.steps);
  }

  void compute(const cpu::Node& node, const graph::Pass&, const graph::Range& range, float* output,
               cpu::Workspace*) override {
    batchnorm_->apply(kept(node, range), range.count, activation_, output);
  }

  void backward_epilogue(cpu::Node& node, const graph::Pass&, const graph::Range& range,
                         cpu::Workspace* workspace) override {
    float* delta = node.delta + range.offset(rows_.size());
    if (batchnorm_) {
      batchnorm_->gradient_sums(kept(node, range), range, activation_, delta, rows_.size(), workspace);
    } else {
      if (activation_ != math::Activation::kLinear) {
        cpu::row_activation_gradient(node.output + range.offset(rows_.size()),
                                     static_cast<size_t>(range.count) * rows_.size(), activation_, delta);
      }
      bias_gradient(range, delta);
    }
  }

  void backward(cpu::Node& node, graph::Pass& pass) override {
    if (batchnorm_) {
      batchnorm_->finish_gradient();
    } else {
      finish_bias_gradient(node.batch);
    }
    const cpu::WorkspaceFrame frame(&cpu::thread_workspace());
    if (wide_) return backward_wide(node, pass);
    if (node.sources[0].needs_gradient) training_->prepare_backward(weights_.value, &cpu::thread_workspace());
    const int micro_batches = node.batch / micro_batch_;
    const size_t size = training_->gradient_size();
    cpu::for_tasks(sums_, [&](int sum, cpu::Workspace& workspace) {
      const int first = sum * micro_batches / sums_, end = (sum + 1) * micro_batches / sums_;
      float* total = node.workspace + static_cast<size_t>(sum) * size;
      for (int micro_batch = first; micro_batch < end; ++micro_batch) {
        const cpu::WorkspaceFrame frame(&workspace);
        backward_micro_batch(node, pass, {micro_batch * micro_batch_, micro_batch_}, total, micro_batch == first,
                             &workspace);
      }
    });
    training_->add_gradients(node.workspace, sums_, weights_.update);
  }

  void prepare_inference(cpu::Node& node) override {
    if (!inference_) {
      shape_.micro_batch = node.inference_micro_batch;
      inference_ = std::make_unique<cpu::InferenceConvolution>(shape_, activation_ == math::Activation::kRelu);
    }
    if (!batchnorm_) return inference_->set_weights(weights_.value, nullptr, bias_.value);
    batchnorm_->fold(&factor_, &shift_);
    inference_->set_weights(weights_.value, factor_.data(), shift_.data());
  }

  void infer(const cpu::Node&, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) override {
    inference_->forward(inputs[0].data, output, workspace);
    if (activation_ == math::Activation::kLinear || activation_ == math::Activation::kRelu) return;
    cpu::row_activation(output, static_cast<size_t>(images) * rows_.size(), activation_);
  }

 private:
  cpu::View kept(const cpu::Node& node, const graph::Range& range) const {
    return {node.saved + range.offset(rows_.size()), rows_.size()};
  }

  // What the convolution left of a range, all images at x.
  void measure(const graph::Range& range, float* x) {
    float* images = x + range.offset(rows_.size());
    if (batchnorm_) {
      batchnorm_->measure({images, rows_.size()}, range);
    } else {
      add_bias(range.count, images);
    }
  }

  // The gradient of what the convolution left.
  const float* gradient(const cpu::Node& node, const graph::Range& range, cpu::Workspace* workspace) const {
    const float* delta = node.delta + range.offset(rows_.size());
    if (!batchnorm_) return delta;
    float* normalised = workspace->take(static_cast<size_t>(range.count) * rows_.size());
    batchnorm_->gradient(kept(node, range), {delta, rows_.size()}, range.count, {normalised, rows_.size(), false});
    return normalised;
  }

  float* read_inputs(const cpu::Node& node, const graph::Pass& pass) const {
    float* inputs = cpu::thread_workspace().take(wide_->inputs_size());
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& range, cpu::Workspace& workspace) {
      wide_->read_inputs(node.read(0, pass, range, &workspace), range, inputs);
    });
    return inputs;
  }

  void backward_wide(cpu::Node& node, graph::Pass& pass) {
    const bool wanted = node.sources[0].needs_gradient;
    float* inputs = read_inputs(node, pass);
    float* tiles = cpu::thread_workspace().take(wide_->tiles_size());
    float* data = wanted ? cpu::thread_workspace().take(wide_->data_size()) : nullptr;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& range, cpu::Workspace& workspace) {
      const float* dx = gradient(node, range, &workspace);
      wide_->read_gradients_for_weights(dx, range, tiles);
      if (wanted) wide_->read_gradients_for_data(dx, range, data);
    });
    wide_->backward_weights(inputs, tiles, weights_.update);
    if (!wanted) return;
    const size_t size = node.in_size();
    float* in_gradient = cpu::thread_workspace().take(static_cast<size_t>(node.batch) * size);
    wide_->backward_data(weights_.value, data, in_gradient);
    cpu::for_ranges(node.batch, micro_batch_, [&](const graph::Range& range, cpu::Workspace& workspace) {
      node.accumulate(0, pass, range, in_gradient + range.offset(size), &workspace);
    });
  }

  void backward_micro_batch(cpu::Node& node, const graph::Pass& pass, const graph::Range& range, float* total,
                            bool first, cpu::Workspace* workspace) {
    const float* dx = gradient(node, range, workspace);
    {
      const cpu::WorkspaceFrame frame(workspace);
      training_->backward_weights(node.read(0, pass, range, workspace), dx, !first, total, workspace);
    }
    if (!node.sources[0].needs_gradient) return;
    float* target = node.gradient_target(0, range, workspace);
    training_->backward_data(dx, target, workspace);
    node.accumulate(0, pass, range, target, workspace);
  }

  void add_bias(int images, float* x) const {
    for (int i = 0; i < images; ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        float* values = x + static_cast<size_t>(i) * rows_.size() + rows_.offset(row);
        const float zero[cpu::kLanes] = {};
        float one[cpu::kLanes], shift[cpu::kLanes];
        std::fill(one, one + cpu::kLanes, 1.0f);
        for (int l = 0; l < cpu::kLanes; ++l) {
          const int channel = rows_.channel(row, l);
          shift[l] = channel < bias_.count ? bias_.value[channel] : 0.0f;
        }
        cpu::row_affine(values, rows_.length(), zero, one, shift, activation_, values);
      }
    }
  }

  void bias_gradient(const graph::Range& range, const float* delta) {
    for (int i = 0; i < range.count; ++i) {
      for (int row = 0; row < rows_.count(); ++row) {
        float acc[cpu::kLanes] = {};
        cpu::row_sum(delta + static_cast<size_t>(i) * rows_.size() + rows_.offset(row), rows_.length(), acc);
        double* to = partial_.data() + static_cast<size_t>(range.first + i) * static_cast<size_t>(rows_.channels) +
                     rows_.channel(row);
        cpu::spread_lanes(acc, rows_, to);
      }
    }
  }

  void finish_bias_gradient(int batch) {
    const std::vector<double> sums = cpu::sum_over_images(partial_, batch, rows_.channels, 0);
    for (int64_t c = 0; c < bias_.count; ++c) bias_.update[c] += static_cast<float>(sums[static_cast<size_t>(c)]);
  }

  math::Activation activation_;
  int size_, stride_, padding_, groups_;
  bool batch_normalize_, blocks_groups_;
  cpu::ConvolutionShape shape_;
  int micro_batch_ = 1;
  int sums_ = 1;  // groups of images whose gradients are summed apart
  cpu::Rows rows_;
  host::Block weights_, bias_;
  std::unique_ptr<cpu::TrainingConvolution> training_;  // or:
  std::unique_ptr<cpu::WideConvolution> wide_;
  std::unique_ptr<cpu::InferenceConvolution> inference_;
  std::unique_ptr<cpu::BatchNorm> batchnorm_;
  std::vector<float> factor_, shift_;  // of the inference
  std::vector<double> partial_;        // [image][channel]: gradient of the bias
};

}  // namespace

std::unique_ptr<cpu::Kernel> make_convolutional_kernel(const graph::LayerConfig& layer) {
  math::Activation activation{};
  if (!math::find_activation(layer.options.text("activation"), &activation)) return std::make_unique<cpu::HostKernel>();
  return std::make_unique<ConvolutionalKernel>(layer, activation);
}

}  // namespace dng::layers
