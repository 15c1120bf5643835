// [local]: a convolution whose weights are others at every place, then an activation.
//   output[f][y][x] = f(b[f][y][x] + sum over c, i, j of W[y][x][f][c][i][j] input[c][y stride + i - pad][x stride + j
//   - pad])
// Weights start uniform in +-sqrt(2 / (size size channels)). Both Darknets start those of the first place alone, and
// leave the others at zero.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"
#include "layers/layer_options.h"
#include "layers/ops.h"
#include "layers/stand_ins.h"

namespace dng::layers {
namespace {

class LocalKernel final : public cpu::Kernel {
 public:
  LocalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation),
        in_(layer.in),
        out_(layer.out),
        size_(layer.options.integer("size")),
        stride_(layer.options.integer("stride")),
        pad_(layer.options.integer("pad")),
        taps_(static_cast<size_t>(layer.in.channels * size_ * size_)) {}

  graph::Role role(const cpu::Node&) const override {
    graph::Role role;
    role.reads_output = activation_ != math::Activation::kLinear && !math::gradient_reads_input(activation_);
    return role;
  }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    shards_ = setup.shards;
    const std::vector<host::Block>& blocks = *node.blocks;
    bias_ = blocks[0];
    weights_ = blocks[1];
    if (math::gradient_reads_input(activation_) && setup.trains) {
      before_.resize(node.out_size() * static_cast<size_t>(node.batch));
    }
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    const float* input = node.input(pass);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      const size_t first = image.offset(out_.size());
      compute_image(input + image.offset(in_.size()), node.output + first, &workspace);
      if (!before_.empty()) std::copy_n(node.output + first, out_.size(), before_.begin() + static_cast<long>(first));
      cpu::row_activation(node.output + first, out_.size(), activation_);
    });
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    const auto batch = static_cast<size_t>(node.batch), filters = static_cast<size_t>(out_.channels);
    const auto shards = static_cast<size_t>(shards_.count), images = static_cast<size_t>(shards_.images);
    cpu::row_activation_gradient(before_.empty() ? node.output : before_.data(), out_.size() * batch, activation_,
                                 node.delta);
    const float* input = node.input(pass);
    // The images of a shard one after the other for every place, so that the order of the sums is always the same. A
    // filter's gradient: its weights, then its bias.
    const size_t row = taps_ + 1;
    cpu::for_tasks(out_.height * out_.width, [&](int place, cpu::Workspace& workspace) {
      float* patch = workspace.take(row);
      float* sums = workspace.take(shards * filters * row);
      std::fill_n(sums, shards * filters * row, 0.0f);
      patch[taps_] = 1;
      for (size_t b = 0; b < batch; ++b) {
        read_patch(input + b * in_.size(), place, patch);
        for (int f = 0; f < out_.channels; ++f) {
          const float d = node.delta[b * out_.size() + output_of(f, place)];
          float* sum = sums + (b / images * filters + static_cast<size_t>(f)) * row;
          for (size_t i = 0; i < row; ++i) sum[i] += d * patch[i];
        }
      }
      cpu::add_shards(shards_.count, filters * row, sums);
      for (int f = 0; f < out_.channels; ++f, sums += row) {
        bias_.update[output_of(f, place)] += sums[taps_];
        cpu::row_accumulate(sums, taps_, weights_.update + filter_of(f, place));
      }
    });
    float* input_delta = node.input_delta();
    if (input_delta == nullptr) return;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      float* patch = workspace.take(taps_);
      for (int place = 0; place < out_.height * out_.width; ++place) {
        std::fill_n(patch, taps_, 0.0f);
        for (int f = 0; f < out_.channels; ++f) {
          const float d = node.delta[image.offset(out_.size()) + output_of(f, place)];
          const float* weights = weights_.value + filter_of(f, place);
          for (size_t i = 0; i < taps_; ++i) patch[i] += d * weights[i];
        }
        float* to = input_delta + image.offset(in_.size());
        each_tap(place, [&](size_t tap, size_t pixel) { to[pixel] += patch[tap]; });
      }
    });
  }

  void infer(const cpu::Node&, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) override {
    const auto count = static_cast<size_t>(images);
    for (size_t i = 0; i < count; ++i) {
      const cpu::WorkspaceFrame frame(workspace);
      compute_image(inputs[0].data + i * in_.size(), output + i * out_.size(), workspace);
    }
    cpu::row_activation(output, count * out_.size(), activation_);
  }

 private:
  size_t output_of(int filter, int place) const {
    return static_cast<size_t>(filter * out_.height * out_.width + place);
  }
  size_t filter_of(int filter, int place) const { return static_cast<size_t>(place * out_.channels + filter) * taps_; }

  void compute_image(const float* input, float* output, cpu::Workspace* workspace) const {
    float* patch = workspace->take(taps_);
    for (int place = 0; place < out_.height * out_.width; ++place) {
      read_patch(input, place, patch);
      for (int f = 0; f < out_.channels; ++f) {
        const float* weights = weights_.value + filter_of(f, place);
        float sum = 0;
        for (size_t i = 0; i < taps_; ++i) sum += weights[i] * patch[i];
        output[output_of(f, place)] = sum + bias_.value[output_of(f, place)];
      }
    }
  }

  void read_patch(const float* input, int place, float* patch) const {
    std::fill_n(patch, taps_, 0.0f);
    each_tap(place, [&](size_t tap, size_t pixel) { patch[tap] = input[pixel]; });
  }

  // Calls visit(index in a filter, index in the image) for the taps within the image.
  template <class Visit>
  void each_tap(int place, const Visit& visit) const {
    const int top = place / out_.width * stride_ - pad_, left = place % out_.width * stride_ - pad_;
    size_t tap = 0;
    for (int c = 0; c < in_.channels; ++c) {
      for (int y = top; y < top + size_; ++y) {
        for (int x = left; x < left + size_; ++x, ++tap) {
          if (y < 0 || y >= in_.height || x < 0 || x >= in_.width) continue;
          visit(tap, static_cast<size_t>((c * in_.height + y) * in_.width + x));
        }
      }
    }
  }

  math::Activation activation_;
  data::Geometry in_, out_;
  int size_, stride_, pad_;
  size_t taps_;  // of a filter
  cpu::Shards shards_;
  host::Block bias_, weights_;
  std::vector<float> before_;  // the activation's input, where its gradient needs that
};

void shape(graph::LayerConfig* layer, const graph::ShapeContext&) {
  const cfg::Options& o = layer->options;
  const int size = o.integer("size"), stride = o.integer("stride"), pad = o.integer("pad");
  if (pad > 0 && 2 * pad + 1 != size) {
    fail(
        "%s: Darknet computes its output's height and width as if padding were (size - 1) / 2; write pad=0, or "
        "size=%d, which needs that",
        o.where("pad").c_str(), 2 * pad + 1);
  }
  layer->out = {o.integer("filters"), window_count(*layer, layer->in.height, 2 * pad, size, stride),
                window_count(*layer, layer->in.width, 2 * pad, size, stride)};
  require_indexable_weights(*layer, static_cast<double>(layer->out.size()) * layer->in.channels * size * size,
                            "filters");
}

}  // namespace

graph::Op local_op() {
  return graph::Op("local", graph::Op::Kind::kLayer, "a convolution with other weights at every place")
      .option(cfg::integer_option("filters", "1", 1, 1 << 20, "output channels"))
      .option(cfg::integer_option("size", "1", 1, 1 << 10, "height and width of the window"))
      .option(cfg::integer_option("stride", "1", 1, 1 << 10, "step of the window"))
      .option(cfg::integer_option("pad", "0", 0, 1 << 10, "padding on every side: 0 or (size - 1) / 2"))
      .option(activation_option("logistic"))
      .shaped(shape)
      .stand_in(with_known_activation)
      .kernel(make_with_activation<LocalKernel>);
}

}  // namespace dng::layers
