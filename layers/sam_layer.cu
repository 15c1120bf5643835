#include "gpu/elementwise.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {
namespace {

// y = f(a b).
template <class T, int V>
struct ProductBody {
  const T *a, *b;
  T* y;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float product[V], other[V];
    gpu::load<T, V>(a + at, product);
    gpu::load<T, V>(b + at, other);
    for (int v = 0; v < V; ++v) product[v] *= other[v];
    activate_all<V>(product, activation);
    gpu::store<T, V>(product, y + at);
  }
};

// The gradients of both factors; f' is computed from their product.
template <class T, int V>
struct ProductGradientsBody {
  const T *delta, *a, *b;
  T *to_a, *to_b;  // null: not needed
  bool adds_a, adds_b;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * V;
    float d[V], first[V], second[V], product[V];
    gpu::load<T, V>(delta + at, d);
    gpu::load<T, V>(a + at, first);
    gpu::load<T, V>(b + at, second);
    for (int v = 0; v < V; ++v) product[v] = first[v] * second[v];
    slope_at_all<V>(product, activation, d);
    if (to_a != nullptr) write(d, second, adds_a, to_a + at);
    if (to_b != nullptr) write(d, first, adds_b, to_b + at);
  }

 private:
  DNG_DEVICE static void write(const float* d, const float* factor, bool adds, T* to) {
    float sum[V] = {};
    if (adds) gpu::load<T, V>(to, sum);
    for (int v = 0; v < V; ++v) sum[v] += d[v] * factor[v];
    gpu::store<T, V>(sum, to);
  }
};

class SamKernel final : public gpu::Kernel {
 public:
  SamKernel(const graph::LayerConfig&, math::Activation activation) : activation_(activation) {}
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_output = false;
    return needs;
  }
  void forward(const gpu::Node& node, const gpu::Pass&) override {
    each_vector<ProductBody>(node, node.input(0), node.input(1), node.output, activation_);
  }
  void backward(const gpu::Node& node, const gpu::Pass&) override {
    const void* delta = node.delta;
    each_vector<ProductGradientsBody>(node, delta, node.input(0), node.input(1), node.input_delta(0),
                                      node.input_delta(1), node.sources[0].adds(), node.sources[1].adds(), activation_);
  }

 private:
  math::Activation activation_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_sam(const graph::LayerConfig& layer) {
  return layers::make_with_activation<SamKernel>(layer);
}

}  // namespace dng::DNG_GPU
