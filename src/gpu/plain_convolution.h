// A convolution as plain loops, one thread for each element of the result. The tests compare the libraries with it, and
// it convolves where cuDNN has no algorithm for a shape.
#pragma once

#include "gpu/dispatch.h"
#include "gpu/launch.h"

namespace dng::DNG_GPU {

struct Loops {
  gpu::ConvolutionShape s;
  int in_group, out_group;  // channels of a group, on both sides

  explicit Loops(const gpu::ConvolutionShape& shape)
      : s(shape), in_group(shape.in.channels / shape.groups), out_group(shape.out.channels / shape.groups) {}

  DNG_DEVICE size_t x_at(int b, int y, int x, int c) const {
    return ((static_cast<size_t>(b) * s.in.height + y) * s.in.width + x) * s.in.channels + c;
  }
  DNG_DEVICE size_t y_at(int b, int y, int x, int k) const {
    return ((static_cast<size_t>(b) * s.out.height + y) * s.out.width + x) * s.out.channels + k;
  }
  DNG_DEVICE size_t w_at(int k, int r, int q, int c) const {
    return ((static_cast<size_t>(k) * s.size_y + r) * s.size_x + q) * in_group + c;
  }
};

template <class T>
struct PlainForward {
  Loops at;
  const T *x, *w;
  T* y;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int k = static_cast<int>(i % at.s.out.channels);
    const int ox = static_cast<int>(i / at.s.out.channels % at.s.out.width);
    const int oy = static_cast<int>(i / at.s.out.channels / at.s.out.width % at.s.out.height);
    const int b = static_cast<int>(i / at.s.out.channels / at.s.out.width / at.s.out.height);
    const int first = k / at.out_group * at.in_group;
    float sum = 0;
    for (int r = 0; r < at.s.size_y; ++r) {
      const int iy = oy * at.s.stride_y - at.s.padding + r * at.s.dilation;
      if (iy < 0 || iy >= at.s.in.height) continue;
      for (int s = 0; s < at.s.size_x; ++s) {
        const int ix = ox * at.s.stride_x - at.s.padding + s * at.s.dilation;
        if (ix < 0 || ix >= at.s.in.width) continue;
        for (int c = 0; c < at.in_group; ++c) {
          sum += gpu::to_float(x[at.x_at(b, iy, ix, first + c)]) * gpu::to_float(w[at.w_at(k, r, s, c)]);
        }
      }
    }
    y[i] = gpu::from_float<T>(sum);
  }
};

template <class T>
struct PlainEnding {
  T* y;
  const T *bias, *addend;
  uint32_t outputs;
  math::Activation activation;
  DNG_DEVICE void operator()(uint32_t i) const {
    float value = gpu::to_float(y[i]) + gpu::to_float(bias[i % outputs]);
    if (addend != nullptr) value += gpu::to_float(addend[i]);
    y[i] = gpu::from_float<T>(math::activate(value, activation));
  }
};

template <class T>
struct PlainBackwardData {
  Loops at;
  const T *w, *dy;
  T* dx;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int c = static_cast<int>(i % at.s.in.channels);
    const int ix = static_cast<int>(i / at.s.in.channels % at.s.in.width);
    const int iy = static_cast<int>(i / at.s.in.channels / at.s.in.width % at.s.in.height);
    const int b = static_cast<int>(i / at.s.in.channels / at.s.in.width / at.s.in.height);
    const int group = c / at.in_group;
    float sum = 0;
    for (int r = 0; r < at.s.size_y; ++r) {
      const int down = iy + at.s.padding - r * at.s.dilation;
      if (down < 0 || down % at.s.stride_y != 0 || down / at.s.stride_y >= at.s.out.height) continue;
      for (int s = 0; s < at.s.size_x; ++s) {
        const int across = ix + at.s.padding - s * at.s.dilation;
        if (across < 0 || across % at.s.stride_x != 0 || across / at.s.stride_x >= at.s.out.width) continue;
        for (int k = group * at.out_group; k < (group + 1) * at.out_group; ++k) {
          sum += gpu::to_float(dy[at.y_at(b, down / at.s.stride_y, across / at.s.stride_x, k)]) *
                 gpu::to_float(w[at.w_at(k, r, s, c - group * at.in_group)]);
        }
      }
    }
    dx[i] = gpu::from_float<T>(add ? gpu::to_float(dx[i]) + sum : sum);
  }
};

template <class T>
struct PlainBackwardWeights {
  Loops at;
  const T *x, *dy;
  T* dw;
  bool add;
  DNG_DEVICE void operator()(uint32_t i) const {
    const int c = static_cast<int>(i % at.in_group);
    const int s = static_cast<int>(i / at.in_group % at.s.size_x);
    const int r = static_cast<int>(i / at.in_group / at.s.size_x % at.s.size_y);
    const int k = static_cast<int>(i / at.in_group / at.s.size_x / at.s.size_y);
    const int channel = k / at.out_group * at.in_group + c;
    double sum = 0;
    for (int b = 0; b < at.s.batch; ++b) {
      for (int oy = 0; oy < at.s.out.height; ++oy) {
        const int iy = oy * at.s.stride_y - at.s.padding + r * at.s.dilation;
        if (iy < 0 || iy >= at.s.in.height) continue;
        for (int ox = 0; ox < at.s.out.width; ++ox) {
          const int ix = ox * at.s.stride_x - at.s.padding + s * at.s.dilation;
          if (ix < 0 || ix >= at.s.in.width) continue;
          sum += static_cast<double>(gpu::to_float(x[at.x_at(b, iy, ix, channel)]) *
                                     gpu::to_float(dy[at.y_at(b, oy, ox, k)]));
        }
      }
    }
    dw[i] = gpu::from_float<T>(add ? gpu::to_float(dw[i]) + static_cast<float>(sum) : static_cast<float>(sum));
  }
};

class PlainConvolution final : public gpu::Convolution {
 public:
  PlainConvolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape) : gpu_(gpu), shape_(shape), at_(shape) {}

  void forward(const void* x, const void* weights, void* y) override {
    with_type([&](auto zero) {
      using T = decltype(zero);
      each(*gpu_, images(shape_.out),
           PlainForward<T>{at_, static_cast<const T*>(x), static_cast<const T*>(weights), static_cast<T*>(y)});
    });
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend,
                     math::Activation activation, void* y) override {
    forward(x, weights, y);
    with_type([&](auto zero) {
      using T = decltype(zero);
      each(*gpu_, images(shape_.out),
           PlainEnding<T>{static_cast<T*>(y), static_cast<const T*>(bias), static_cast<const T*>(addend),
                          static_cast<uint32_t>(shape_.out.channels), activation});
    });
    return true;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    with_type([&](auto zero) {
      using T = decltype(zero);
      each(*gpu_, images(shape_.in),
           PlainBackwardData<T>{at_, static_cast<const T*>(weights), static_cast<const T*>(dy), static_cast<T*>(dx),
                                add});
    });
  }
  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    with_type([&](auto zero) {
      using T = decltype(zero);
      each(*gpu_, shape_.weights(),
           PlainBackwardWeights<T>{at_, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dweights),
                                   add});
    });
  }

 private:
  template <class Function>
  void with_type(const Function& function) const {
    gpu::with_type(gpu::activation_type(shape_.precision), function);
  }
  size_t images(const data::Geometry& shape) const { return static_cast<size_t>(shape_.batch) * shape.size(); }

  gpu::Gpu* gpu_;
  gpu::ConvolutionShape shape_;
  Loops at_;
};

template <class T>
struct PlainProduct {
  gpu::Product p;
  DNG_DEVICE void operator()(uint32_t i) const {
    const auto row = static_cast<size_t>(i / static_cast<uint32_t>(p.n)), column = static_cast<size_t>(i % p.n);
    const auto m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), inner = static_cast<size_t>(p.k);
    const T *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
    float sum = 0;
    for (size_t k = 0; k < inner; ++k) {
      sum += gpu::to_float(p.transpose_a ? a[k * m + row] : a[row * inner + k]) *
             gpu::to_float(p.transpose_b ? b[column * inner + k] : b[k * n + column]);
    }
    p.c[i] = p.add ? p.c[i] + sum : sum;
  }
};

inline void plain_product(gpu::Gpu& gpu, const gpu::Product& product) {
  gpu::with_type(product.type, [&](auto zero) {
    each(gpu, static_cast<size_t>(product.m) * static_cast<size_t>(product.n), PlainProduct<decltype(zero)>{product});
  });
}

}  // namespace dng::DNG_GPU
