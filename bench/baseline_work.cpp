#include "bench/baseline_work.h"

#include "base/error.h"

namespace dng::bench {
namespace {

bool is(const graph::LayerConfig& layer, const char* section) { return layer.op->section == section; }

bool is_linear(const graph::LayerConfig& layer) { return layer.options.text("activation") == "linear"; }

// Shapes are told apart by their text, which names everything that decides the cost.
template <class Work>
void count_in(const Work& work, std::vector<Work>* list) {
  for (Work& known : *list) {
    if (known.text() != work.text()) continue;
    ++known.count;
    return;
  }
  list->push_back(work);
}

Convolution convolution_of(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  Convolution work;
  work.in = layer.in;
  work.out = layer.out;
  work.window = layers::convolution_window(o);
  work.groups = o.integer("groups");
  work.reads_input = layer.sources[0] < 0;
  return work;
}

// The layer right before `layer` if `layer` can be fused into it: a linear convolution with one reader. Else null.
const graph::LayerConfig* foldable_source(const graph::NetworkConfig& config, const graph::LayerConfig& layer) {
  const int source = layer.sources[0];
  if (source < 0) return nullptr;
  const graph::LayerConfig& before = config.layers[static_cast<size_t>(source)];
  int readers = 0;
  for (const graph::LayerConfig& other : config.layers) {
    for (const int index : other.sources) readers += index == source ? 1 : 0;
  }
  return is(before, "convolutional") && is_linear(before) && readers == 1 ? &before : nullptr;
}

}  // namespace

std::string Convolution::text() const {
  std::string line = format("%dx%dx%d -> %dx%dx%d, %dx%d", in.channels, in.height, in.width, out.channels, out.height,
                            out.width, window.size, window.size);
  if (window.stride_y != window.stride_x) {
    line += format(", strides %d and %d", window.stride_y, window.stride_x);
  } else if (window.strides()) {
    line += format(", stride %d", window.stride_y);
  }
  if (window.dilation > 1) line += format(", dilation %d", window.dilation);
  if (window.padding > 0) line += format(", padding %d", window.padding);
  if (groups > 1) line += format(", groups %d", groups);
  if (adds) line += ", sum";
  if (rectifies) line += ", ReLU";
  if (reads_input) line += ", reads the input";
  return line;
}

std::string Pointwise::text() const { return format("%dx%dx%d", shape.channels, shape.height, shape.width); }

BaselineWork training_work(const graph::NetworkConfig& config) {
  BaselineWork work;
  for (const graph::LayerConfig& layer : config.layers) {
    if (is(layer, "convolutional")) {
      count_in(convolution_of(layer), &work.convolutions);
      if (layer.options.flag("batch_normalize")) count_in(Pointwise{layer.out}, &work.batch_norms);
    } else if (is(layer, "batchnorm")) {
      count_in(Pointwise{layer.out}, &work.batch_norms);
    } else if (is(layer, "shortcut")) {
      count_in(Pointwise{layer.out}, &work.adds);
    }
  }
  return work;
}

BaselineWork inference_work(const graph::NetworkConfig& config) {
  BaselineWork work;
  // What is fused into a convolution has to be known before that is counted.
  std::vector<bool> adds(config.layers.size()), rectifies(config.layers.size());
  for (const graph::LayerConfig& layer : config.layers) {
    const bool shortcut = is(layer, "shortcut"), batch_norm = is(layer, "batchnorm");
    if (!shortcut && !batch_norm) continue;
    const graph::LayerConfig* source = foldable_source(config, layer);
    if (source == nullptr || (batch_norm && source->options.flag("batch_normalize"))) {
      count_in(Pointwise{layer.out}, shortcut ? &work.adds : &work.batch_norms);
      continue;
    }
    const auto index = static_cast<size_t>(source->index);
    adds[index] = shortcut;
    rectifies[index] = batch_norm || !is_linear(layer);
  }
  for (const graph::LayerConfig& layer : config.layers) {
    if (!is(layer, "convolutional")) continue;
    Convolution convolution = convolution_of(layer);
    const auto index = static_cast<size_t>(layer.index);
    convolution.adds = adds[index];
    convolution.rectifies = rectifies[index] || !is_linear(layer);
    count_in(convolution, &work.convolutions);
  }
  return work;
}

}  // namespace dng::bench
