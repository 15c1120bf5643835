// The windows of a pooling layer, cut to the input.
#pragma once

#include "data/image.h"
#include "gpu/launch.h"
#include "layers/pool_options.h"

namespace dng::DNG_GPU {

struct Windows {
  int channels, height, width;  // of the input
  int out_height, out_width;
  int size, stride, offset;  // offset: of the first window, zero or less

  Windows(const layers::PoolWindow& window, const data::Geometry& in, const data::Geometry& out)
      : channels(in.channels),
        height(in.height),
        width(in.width),
        out_height(out.height),
        out_width(out.width),
        size(window.size),
        stride(window.stride),
        offset(-(window.padding / 2)) {}

  // Number i of a tensor of pixels [batch][rows][columns][channels].
  struct Place {
    int channel, x, y;
    size_t image;
  };
  DNG_DEVICE Place out_place(uint32_t i) const { return place(i, out_width, out_height); }
  DNG_DEVICE Place in_place(uint32_t i) const { return place(i, width, height); }

  DNG_DEVICE size_t in_at(const Place& p, int y, int x) const {
    return ((p.image * height + y) * width + x) * channels + p.channel;
  }
  DNG_DEVICE size_t out_at(const Place& p, int y, int x) const {
    return ((p.image * out_height + y) * out_width + x) * channels + p.channel;
  }

  // The windows that hold row or column `at` of `count`: from first to last, both included.
  DNG_DEVICE int first_window(int at) const {
    const int distance = at - offset - size + 1;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
  }
  DNG_DEVICE int last_window(int at, int count) const {
    const int last = (at - offset) / stride;
    return last < count ? last : count - 1;
  }

 private:
  DNG_DEVICE Place place(uint32_t i, int columns, int rows) const {
    Place p;
    p.channel = static_cast<int>(i % channels);
    p.x = static_cast<int>(i / channels % columns);
    p.y = static_cast<int>(i / channels / columns % rows);
    p.image = i / channels / columns / rows;
    return p;
  }
};

}  // namespace dng::DNG_GPU
