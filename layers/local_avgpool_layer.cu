#include "gpu/dispatch.h"
#include "layers/device_kernels.h"
#include "layers/pool_windows.h"

namespace dng::DNG_GPU {
namespace {

// Pixels of the input in a window that starts at `first`.
DNG_DEVICE inline int inside(int first, int size, int length) {
  const int from = first < 0 ? 0 : first, to = first + size > length ? length : first + size;
  return to - from;
}

template <class T>
struct LocalAvgpoolBody {
  Windows w;
  const T* x;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    const Windows::Place p = w.out_place(i);
    const int top = p.y * w.stride + w.offset, left = p.x * w.stride + w.offset;
    float sum = 0;
    for (int r = 0; r < w.size; ++r) {
      if (top + r < 0 || top + r >= w.height) continue;
      for (int s = 0; s < w.size; ++s) {
        if (left + s < 0 || left + s >= w.width) continue;
        sum += gpu::to_float(x[w.in_at(p, top + r, left + s)]);
      }
    }
    const int pixels = inside(top, w.size, w.height) * inside(left, w.size, w.width);
    y[i] = gpu::from_float<T>(sum * (1.0f / static_cast<float>(pixels)));
  }
};

template <class T>
struct LocalAvgpoolGradientBody {
  Windows w;
  const T* delta;
  T* to;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const Windows::Place p = w.in_place(i);
    float sum = add ? gpu::to_float(to[i]) : 0;
    for (int oy = w.first_window(p.y); oy <= w.last_window(p.y, w.out_height); ++oy) {
      const int top = oy * w.stride + w.offset;
      for (int ox = w.first_window(p.x); ox <= w.last_window(p.x, w.out_width); ++ox) {
        const int left = ox * w.stride + w.offset;
        if (p.y - top >= w.size || p.x - left >= w.size) continue;
        const int pixels = inside(top, w.size, w.height) * inside(left, w.size, w.width);
        sum += gpu::to_float(delta[w.out_at(p, oy, ox)]) * (1.0f / static_cast<float>(pixels));
      }
    }
    to[i] = gpu::from_float<T>(sum);
  }
};

class LocalAvgpoolKernel final : public gpu::Kernel {
 public:
  explicit LocalAvgpoolKernel(const graph::LayerConfig& layer)
      : windows_(layers::pool_window(layer.options), layer.in, layer.out) {}
  gpu::Needs needs(const gpu::Node&) const override {
    gpu::Needs needs;
    needs.reads_input = needs.reads_output = false;
    return needs;
  }
  void forward(gpu::Node& node, const gpu::Pass&) override {
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, node.size(),
           LocalAvgpoolBody<T>{windows_, static_cast<const T*>(node.input()), static_cast<T*>(node.output)});
    });
  }
  void backward(gpu::Node& node, const gpu::Pass&) override {
    if (node.input_delta() == nullptr) return;
    gpu::with_type(node.type, [&](auto zero) {
      using T = decltype(zero);
      each(*node.gpu, static_cast<size_t>(node.batch) * node.in.size(),
           LocalAvgpoolGradientBody<T>{windows_, static_cast<const T*>(node.delta), static_cast<T*>(node.input_delta()),
                                       node.sources[0].adds()});
    });
  }

 private:
  Windows windows_;
};

}  // namespace

std::unique_ptr<gpu::Kernel> make_local_avgpool(const graph::LayerConfig& layer) {
  return std::make_unique<LocalAvgpoolKernel>(layer);
}

}  // namespace dng::DNG_GPU
