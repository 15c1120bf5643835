// What the GPU kernels of [avgpool], [local_avgpool] and [maxpool] share: the gradient of the input, and windows that
// are cut to the input.
#pragma once

#include "data/image.h"
#include "gpu/node_launch.h"
#include "layers/pool_options.h"

namespace dng::DNG_GPU {

// Body{delta, to, add, values...} for each element of the first source, where that needs a gradient.
template <template <class> class Body, class... Values>
void each_input_gradient(const gpu::Node& node, const Values&... values) {
  const void* delta = node.delta;
  void* to = node.input_delta();
  if (to == nullptr) return;
  each_element<Body>(node, static_cast<size_t>(node.batch) * node.in.size(), delta, to, node.sources[0].adds(),
                     values...);
}

struct Windows {
  data::Geometry in, out;
  int size, stride_y, stride_x, offset;  // offset: of the first window, zero or less

  Windows(const layers::PoolWindow& window, const data::Geometry& input, const data::Geometry& output)
      : in(input),
        out(output),
        size(window.size),
        stride_y(window.stride_y),
        stride_x(window.stride_x),
        offset(-(window.padding / 2)) {}

  // Calls visit(pixel of the window, its index in the input) for the window of output element i.
  template <class Visit>
  DNG_DEVICE void each_pixel(uint32_t i, const Visit& visit) const {
    const Place p = place(i, out.width, out.height);
    const int top = p.y * stride_y + offset, left = p.x * stride_x + offset;
    for (int r = 0; r < size; ++r) {
      if (top + r < 0 || top + r >= in.height) continue;
      for (int s = 0; s < size; ++s) {
        if (left + s < 0 || left + s >= in.width) continue;
        visit(r * size + s, ((p.image * in.height + top + r) * in.width + left + s) * in.channels + p.channel);
      }
    }
  }

  // Calls visit(index in the output, pixel of the window) for the windows that hold input element i.
  template <class Visit>
  DNG_DEVICE void each_window(uint32_t i, const Visit& visit) const {
    const Place p = place(i, in.width, in.height);
    for (int oy = first_window(p.y, stride_y); oy <= last_window(p.y, stride_y, out.height); ++oy) {
      const int r = p.y - oy * stride_y - offset;
      for (int ox = first_window(p.x, stride_x); ox <= last_window(p.x, stride_x, out.width); ++ox) {
        const int s = p.x - ox * stride_x - offset;
        if (r >= size || s >= size) continue;
        visit(((p.image * out.height + oy) * out.width + ox) * in.channels + p.channel, r * size + s);
      }
    }
  }

  // Pixels of the input in the window of output element i.
  DNG_DEVICE int pixels(size_t i) const {
    const Place p = place(static_cast<uint32_t>(i), out.width, out.height);
    return inside(p.y * stride_y + offset, in.height) * inside(p.x * stride_x + offset, in.width);
  }

 private:
  // Element i of a tensor [batch][rows][columns][channels].
  struct Place {
    int channel, x, y;
    size_t image;
  };
  DNG_DEVICE Place place(uint32_t i, int columns, int rows) const {
    Place p;
    p.channel = static_cast<int>(i % in.channels);
    p.x = static_cast<int>(i / in.channels % columns);
    p.y = static_cast<int>(i / in.channels / columns % rows);
    p.image = i / in.channels / columns / rows;
    return p;
  }

  // The windows that hold row or column `at` of `count`: from first to last, both included.
  DNG_DEVICE int first_window(int at, int stride) const {
    const int distance = at - offset - size + 1;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
  }
  DNG_DEVICE int last_window(int at, int stride, int count) const {
    const int last = (at - offset) / stride;
    return last < count ? last : count - 1;
  }
  // Of `length` rows or columns, those in a window that starts at `first`.
  DNG_DEVICE int inside(int first, int length) const {
    const int from = first < 0 ? 0 : first, to = first + size > length ? length : first + size;
    return to - from;
  }
};

}  // namespace dng::DNG_GPU
