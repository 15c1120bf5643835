// Elements of a tensor [batch][height][width][channels] by their places.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.h"
#include "data/image.h"

namespace dng::gpu {

struct Place {
  int channel, x, y, image;
};

DNG_HOST_DEVICE inline Place place_of(uint32_t i, const data::Geometry& shape) {
  const auto number = [](uint32_t value) { return static_cast<int>(value); };
  const auto channels = static_cast<uint32_t>(shape.channels), width = static_cast<uint32_t>(shape.width),
             height = static_cast<uint32_t>(shape.height);
  return {number(i % channels), number(i / channels % width), number(i / channels / width % height),
          number(i / channels / width / height)};
}

DNG_HOST_DEVICE inline size_t index_of(const Place& p, const data::Geometry& shape) {
  return ((static_cast<size_t>(p.image) * static_cast<size_t>(shape.height) + static_cast<size_t>(p.y)) *
              static_cast<size_t>(shape.width) +
          static_cast<size_t>(p.x)) *
             static_cast<size_t>(shape.channels) +
         static_cast<size_t>(p.channel);
}

}  // namespace dng::gpu
