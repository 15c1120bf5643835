// Copies of some channels of an image from one tensor to another, whatever their layouts.
#pragma once

#include "cpu/layout.h"

namespace dng::cpu {

// A run of channels in an image that lies at `data`.
struct Channels {
  float* data = nullptr;
  Rows rows;
  int first = 0;
};

// Zeroes the lanes behind the last channel: what padding added may be anything, and nothing times NaN is NaN.
void clear_padding(float* image, const data::Geometry& shape, Layout layout);

// to = from, or to += from where `add`, for `count` channels. Both have the same layout.
void copy_channels(const Channels& from, const Channels& to, int count, bool add);

}  // namespace dng::cpu
