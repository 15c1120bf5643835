#include "layers/antialiasing.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "cpu/kernel.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"
#include "layers/layer_options.h"

namespace dng::layers {
namespace {

// Two nodes in one: the sharp layer's, whose buffers are this kernel's, and the blur.
class AntialiasedKernel final : public cpu::Kernel {
 public:
  AntialiasedKernel(const graph::LayerConfig& layer, const graph::LayerConfig& sharp,
                    std::unique_ptr<graph::Kernel> kernel)
      : blur_(blur_window(layer)), config_(sharp), kernel_(static_cast<cpu::Kernel*>(kernel.release())) {}

  cpu::LayoutUse layout_use() const override { return kernel_->layout_use(); }

  void prepare(const cpu::Node& node, const cpu::Setup& setup) override {
    sharp_.config = &config_;
    sharp_.index = node.index;
    sharp_.batch = node.batch;
    sharp_.in = node.in;
    sharp_.layout = node.layout;
    sharp_.blocks = node.blocks;
    sharp_.inference_micro_batch = node.inference_micro_batch;
    follow(node);
    sharp_.stride = sharp_.out_size();
    kernel_->prepare(sharp_, setup);
    if (!setup.trains) return;
    const auto batch = static_cast<size_t>(node.batch);
    output_.resize(batch * sharp_.out_size());
    delta_.resize(batch * sharp_.out_size());
    saved_.resize(batch * kernel_->role(sharp_).saved);
    sharp_.output = output_.data();
    sharp_.delta = delta_.data();
    sharp_.saved = saved_.data();
  }

  graph::Role role(const cpu::Node&) const override {
    const graph::Role sharp = kernel_->role(sharp_);
    graph::Role role;
    role.by_range = sharp.by_range;
    role.reads_input = sharp.reads_input;
    role.reads_output = false;
    role.workspace = sharp.workspace;
    return role;
  }

  void forward(const cpu::Node& node, graph::Pass& pass) override {
    follow(node);
    kernel_->forward(sharp_, pass);
    const bool lazy = kernel_->role(sharp_).lazy;
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      float* x = sharp_.output + image.offset(sharp_.out_size());
      if (lazy) kernel_->compute(sharp_, pass, image, x, &workspace);
      blur(node, x, node.output + image.offset(node.out_size()));
    });
  }

  void backward(const cpu::Node& node, graph::Pass& pass) override {
    follow(node);
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      float* dx = sharp_.delta + image.offset(sharp_.out_size());
      std::fill_n(dx, sharp_.out_size(), 0.0f);
      const float* dy = node.delta + image.offset(node.out_size());
      each_tap(node, [&](size_t to, size_t from, float weight) { dx[from] += weight * dy[to]; });
      kernel_->backward_epilogue(sharp_, pass, image, &workspace);
    });
    kernel_->backward(sharp_, pass);
  }

  void prepare_inference(const cpu::Node&) override { kernel_->prepare_inference(sharp_); }
  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) override {
    const auto count = static_cast<size_t>(images);
    float* x = workspace->take(count * sharp_.out_size());
    kernel_->infer(sharp_, images, inputs, x, sharp_.out_size(), workspace);
    for (size_t i = 0; i < count; ++i) blur(node, x + i * sharp_.out_size(), output + i * node.out_size());
  }

 private:
  // What the plan sets of the whole node.
  void follow(const cpu::Node& node) {
    sharp_.sources = node.sources;
    sharp_.workspace = node.workspace;
  }

  void blur(const cpu::Node& node, const float* x, float* y) const {
    std::fill_n(y, node.out_size(), 0.0f);
    each_tap(node, [&](size_t to, size_t from, float weight) { y[to] += weight * x[from]; });
  }

  // Calls visit(index of the blurred value, index of the sharp one, weight) for one image.
  template <class Visit>
  void each_tap(const cpu::Node& node, const Visit& visit) const {
    const data::Geometry &in = config_.out, &out = node.config->out;
    const cpu::Rows from(in, node.layout), to(out, node.layout);
    const auto block = static_cast<size_t>(to.block);
    for (int row = 0; row < to.count(); ++row) {
      for (int oy = 0; oy < out.height; ++oy) {
        for (int r = 0; r < blur_.size; ++r) {
          const int y = oy * blur_.stride_y - blur_.padding / 2 + r;
          if (y < 0 || y >= in.height) continue;
          for (int ox = 0; ox < out.width; ++ox) {
            const size_t at = to.offset(row) + static_cast<size_t>(oy * out.width + ox) * block;
            for (int s = 0; s < blur_.size; ++s) {
              const int x = ox * blur_.stride_x - blur_.padding / 2 + s;
              if (x < 0 || x >= in.width) continue;
              const size_t pixel = from.offset(row) + static_cast<size_t>(y * in.width + x) * block;
              for (size_t l = 0; l < block; ++l)
                visit(at + l, pixel + l, blur_weight(blur_.size, r) * blur_weight(blur_.size, s));
            }
          }
        }
      }
    }
  }

  PoolWindow blur_;
  graph::LayerConfig config_;
  std::unique_ptr<cpu::Kernel> kernel_;
  cpu::Node sharp_;
  std::vector<float> output_, delta_, saved_;
};

}  // namespace

cfg::OptionSpec antialiasing_option() {
  return cfg::integer_option("antialiasing", "0", 0, 2, "1: stride 1, then a blur of 3x3 with the strides; 2: of 2x2");
}

bool antialiased(const graph::LayerConfig& layer) { return layer.options.integer("antialiasing") > 0; }

PoolWindow blur_window(const graph::LayerConfig& layer) {
  const int stride_y = stride_along(layer.options, "stride_y"), stride_x = stride_along(layer.options, "stride_x");
  if (layer.options.integer("antialiasing") == 2) return {2, stride_y, stride_x, 0};
  return {3, stride_y, stride_x, 2};
}

graph::LayerConfig sharp_layer(graph::LayerConfig layer, const OutputShape& output) {
  // A pool's window has the size of its stride where size= is not given.
  if (!layer.options.has("size")) layer.options.set("size", std::to_string(layer.options.integer("stride")));
  for (const char* key : {"stride", "stride_y", "stride_x"}) layer.options.set(key, "1");
  layer.options.set("antialiasing", "0");
  layer.out = output(layer);
  return layer;
}

data::Geometry antialiased_shape(const graph::LayerConfig& layer, const OutputShape& output) {
  if (!antialiased(layer)) return output(layer);
  const PoolWindow blur = blur_window(layer);
  const data::Geometry in = sharp_layer(layer, output).out;
  if (in.height + blur.padding < blur.size || in.width + blur.padding < blur.size) {
    fail("%s: a blur of 2x2 does not fit into %dx%d; write antialiasing=1", layer.options.where("antialiasing").c_str(),
         in.height, in.width);
  }
  return {in.channels, (in.height + blur.padding - blur.size) / blur.stride_y + 1,
          (in.width + blur.padding - blur.size) / blur.stride_x + 1};
}

std::unique_ptr<graph::Kernel> make_antialiased(const graph::LayerConfig& layer, const OutputShape& output,
                                                const graph::KernelFactory& make) {
  if (!antialiased(layer)) return make(layer);
  const graph::LayerConfig inner = sharp_layer(layer, output);
  return std::make_unique<AntialiasedKernel>(layer, inner, make(inner));
}

}  // namespace dng::layers
