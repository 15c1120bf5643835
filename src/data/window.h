// The part of an image that training sees: drawn once for CPU and CUDA.
#pragma once

#include "base/random.h"
#include "data/image.h"

namespace dng::data {

// Where a window of the network's size lies in an image (it may reach over the edges), and whether it is mirrored.
struct Window {
  int x = 0, y = 0;
  bool mirror = false;
};

// Anywhere in the image with `pad` pixels around it; mirrored every second time. The image must be large enough.
DNG_HOST_DEVICE inline Window draw_window(const Geometry& image, const Geometry& window, int pad, bool mirror,
                                          CounterRandom* random) {
  Window drawn;
  drawn.y = static_cast<int>(random->below(static_cast<uint32_t>(image.height + 2 * pad - window.height + 1))) - pad;
  drawn.x = static_cast<int>(random->below(static_cast<uint32_t>(image.width + 2 * pad - window.width + 1))) - pad;
  drawn.mirror = mirror && random->below(2) != 0;
  return drawn;
}

}  // namespace dng::data
