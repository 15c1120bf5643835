#include "gpu/dispatch.h"
#include "layers/device_kernels.h"
#include "layers/pool_windows.h"

namespace dng::DNG_GPU {
namespace {

// Keeps which pixel of its window was the largest; of equal ones the first.
template <class T>
struct MaxpoolBody {
  Windows w;
  const T* x;
  T* y;
  uint32_t* best;  // null at evaluation
  DNG_DEVICE void operator()(uint32_t i) const {
    const Windows::Place p = w.out_place(i);
    const int top = p.y * w.stride + w.offset, left = p.x * w.stride + w.offset;
    bool any = false;
    float largest = 0;
    uint32_t where = 0;
    for (int r = 0; r < w.size; ++r) {
      if (top + r < 0 || top + r >= w.height) continue;
      for (int s = 0; s < w.size; ++s) {
        if (left + s < 0 || left + s >= w.width) continue;
        const float value = gpu::to_float(x[w.in_at(p, top + r, left + s)]);
        // NaN is the largest of all, so that it is noticed.
        if (any && !(value > largest) && value == value) continue;
        any = true;
        largest = value;
        where = static_cast<uint32_t>(r * w.size + s);
      }
    }
    y[i] = gpu::from_float<T>(largest);
    if (best != nullptr) best[i] = where;
  }
};

template <class T>
struct MaxpoolGradientBody {
  Windows w;
  const T* delta;
  const uint32_t* best;
  T* to;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const Windows::Place p = w.in_place(i);
    float sum = add ? gpu::to_float(to[i]) : 0;
    for (int oy = w.first_window(p.y); oy <= w.last_window(p.y, w.out_height); ++oy) {
      const int r = p.y - oy * w.stride - w.offset;
      for (int ox = w.first_window(p.x); ox <= w.last_window(p.x, w.out_width); ++ox) {
        const int s = p.x - ox * w.stride - w.offset;
        if (r >= w.size || s >= w.size) continue;
        const size_t at = w.out_at(p, oy, ox);
        if (best[at] == static_cast<uint32_t>(r * w.size + s)) sum += gpu::to_float(delta[at]);
      }
    }
    to[i] = gpu::from_float<T>(sum);
  }
};

class MaxpoolKernel final : public gpu::Kernel {
 public:
  explicit MaxpoolKernel(const graph::LayerConfig& layer)
      : window_(layers::pool_window(layer.options)), windows_(window_, layer.in, layer.out) {}
  int subsample_factor() const override { return window_.size == 1 && window_.padding == 0 ? window_.stride : 0; }
  gpu::Needs needs(const gpu::Node& node) const override {
    gpu::Needs needs;
    needs.reads_input = needs.reads_output = false;
    needs.saved = node.size() * sizeof(uint32_t);
    return needs;
  }
  void forward(gpu::Node& node, const gpu::Pass&) override { pool(node, static_cast<uint32_t*>(node.saved)); }
  void infer(gpu::Node& node, const gpu::Pass&) override { pool(node, nullptr); }
  void backward(gpu::Node& node, const gpu::Pass&) override {
    if (node.input_delta() == nullptr) return;
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, static_cast<size_t>(node.batch) * node.in.size(),
           MaxpoolGradientBody<T>{windows_, static_cast<const T*>(node.delta), static_cast<const uint32_t*>(node.saved),
                                  static_cast<T*>(node.input_delta()), node.sources[0].adds()});
    });
  }

 private:
  void pool(gpu::Node& node, uint32_t* best) const {
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, node.size(),
           MaxpoolBody<T>{windows_, static_cast<const T*>(node.input()), static_cast<T*>(node.output), best});
    });
  }

  layers::PoolWindow window_;
  Windows windows_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_maxpool(const graph::LayerConfig& layer) {
  return std::make_unique<MaxpoolKernel>(layer);
}

}  // namespace dng::DNG_GPU
