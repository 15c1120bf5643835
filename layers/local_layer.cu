// The GPU kernel of [local]. Weights are [place][filter][row][column][channel] and biases [filter][place]; a place is a
// pixel of the output.
#include "gpu/elementwise.h"
#include "layers/device_kernels.h"
#include "layers/pooling_on_gpu.h"

namespace dng::DNG_GPU {
namespace {

struct LocalShape {
  Windows windows;  // of one channel
  int channels, filters, places, pixels;

  // The first weight of a filter for a pixel of its window.
  DNG_DEVICE size_t weight(int place, int filter, int pixel) const {
    return ((static_cast<size_t>(place) * static_cast<size_t>(filters) + static_cast<size_t>(filter)) *
                static_cast<size_t>(pixels) +
            static_cast<size_t>(pixel)) *
           static_cast<size_t>(channels);
  }
};

// y = f(x), x = the sum over the window + bias.
template <class T>
struct LocalBody {
  LocalShape shape;
  const T *input, *weights;
  const float* bias;
  T *x, *y;  // x null: not needed
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int filter = static_cast<int>(i) % shape.filters;
    const uint32_t at = i / static_cast<uint32_t>(shape.filters);
    const int place = static_cast<int>(at) % shape.places;
    float sum = 0;
    shape.windows.each_pixel(at, [&](int pixel, size_t from) {
      const T* w = weights + shape.weight(place, filter, pixel);
      const T* values = input + from * static_cast<size_t>(shape.channels);
      for (int c = 0; c < shape.channels; ++c) sum += gpu::to_float(w[c]) * gpu::to_float(values[c]);
    });
    sum += bias[filter * shape.places + place];
    if (x != nullptr) x[i] = gpu::from_float<T>(sum);
    y[i] = gpu::from_float<T>(math::activate(sum, activation));
  }
};

template <class T>
struct LocalWeightsBody {
  LocalShape shape;
  const T *input, *delta;
  int batch;
  float* gradient;
  DNG_DEVICE void operator()(uint32_t i) const {
    const Windows& windows = shape.windows;
    const int c = static_cast<int>(i) % shape.channels, at = static_cast<int>(i) / shape.channels;
    const int pixel = at % shape.pixels, filter = at / shape.pixels % shape.filters;
    const int place = at / shape.pixels / shape.filters;
    const int y = place / windows.out.width * windows.stride_y + windows.offset + pixel / windows.size;
    const int x = place % windows.out.width * windows.stride_x + windows.offset + pixel % windows.size;
    if (y < 0 || y >= windows.in.height || x < 0 || x >= windows.in.width) return;
    float sum = 0;
    for (int b = 0; b < batch; ++b) {
      const size_t from = gpu::index_of({0, x, y, b}, windows.in) * static_cast<size_t>(shape.channels);
      const size_t to = (static_cast<size_t>(b) * static_cast<size_t>(shape.places) + static_cast<size_t>(place)) *
                        static_cast<size_t>(shape.filters);
      sum +=
          gpu::to_float(delta[to + static_cast<size_t>(filter)]) * gpu::to_float(input[from + static_cast<size_t>(c)]);
    }
    gradient[i] += sum;
  }
};

template <class T>
struct LocalBiasBody {
  const T* delta;
  int batch;
  uint32_t filters, places;
  float* gradient;
  DNG_DEVICE void operator()(uint32_t i) const {
    const uint32_t filter = i / places, place = i % places;
    float sum = 0;
    for (int b = 0; b < batch; ++b) {
      sum += gpu::to_float(delta[(static_cast<uint32_t>(b) * places + place) * filters + filter]);
    }
    gradient[i] += sum;
  }
};

template <class T>
struct LocalGradientBody {
  const T* delta;
  T* to;
  bool add;
  LocalShape shape;
  const T* weights;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int c = static_cast<int>(i) % shape.channels;
    float sum = add ? gpu::to_float(to[i]) : 0;
    shape.windows.each_window(i / static_cast<uint32_t>(shape.channels), [&](size_t at, int pixel) {
      const int place = static_cast<int>(at) % shape.places;
      for (int f = 0; f < shape.filters; ++f) {
        sum += gpu::to_float(weights[shape.weight(place, f, pixel) + static_cast<size_t>(c)]) *
               gpu::to_float(delta[at * static_cast<size_t>(shape.filters) + static_cast<size_t>(f)]);
      }
    });
    to[i] = gpu::from_float<T>(sum);
  }
};

LocalShape shape_of(const graph::LayerConfig& layer) {
  const cfg::Options& o = layer.options;
  const int size = o.integer("size"), stride = o.integer("stride");
  const data::Geometry in{1, layer.in.height, layer.in.width}, out{1, layer.out.height, layer.out.width};
  return {Windows({size, stride, stride, 2 * o.integer("pad")}, in, out), layer.in.channels, layer.out.channels,
          out.height * out.width, size * size};
}

class LocalKernel final : public gpu::Kernel {
 public:
  LocalKernel(const graph::LayerConfig& layer, math::Activation activation)
      : activation_(activation), shape_(shape_of(layer)) {}
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs = gpu::Needs::gradient_of(activation_);
    needs.saved = needs.reads_input ? node.size() * gpu::bytes_of(node.type) : 0;
    needs.reads_input = true;
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    compute(node, math::gradient_reads_input(activation_) ? node.saved : nullptr);
  }
  void infer(const gpu::Node& node, const gpu::Pass&) override { compute(node, nullptr); }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    const void *delta = node.delta, *none = nullptr;
    if (activation_ != math::Activation::kLinear) {
      const void* values = math::gradient_reads_input(activation_) ? node.saved : node.output;
      each_vector<PassThroughBody>(node, delta, values, none, node.delta, false, activation_);
    }
    each_element<LocalWeightsBody>(node, static_cast<size_t>(node.weights.count), shape_, node.input(), delta,
                                   node.batch, node.weights.gradient);
    each_element<LocalBiasBody>(node, node.out().size(), delta, node.batch, static_cast<uint32_t>(shape_.filters),
                                static_cast<uint32_t>(shape_.places), node.bias.gradient);
    const void* weights = node.weights.copy;
    each_input_gradient<LocalGradientBody>(node, shape_, weights);
  }

 private:
  void compute(const gpu::Node& node, void* x) const {
    const void* weights = node.weights.copy;
    each_element<LocalBody>(node, node.size(), shape_, node.input(), weights, node.bias.value, x, node.output,
                            activation_);
  }

  math::Activation activation_;
  LocalShape shape_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_local(const graph::LayerConfig& layer) {
  return layers::make_with_activation<LocalKernel>(layer);
}

}  // namespace dng::DNG_GPU
