#include "data/frame.h"

#include <algorithm>

namespace dng::data {

void cut_out_of_frame(const Augmentation& augmentation, const Geometry& geometry, CounterRandom* random,
                      const PrepareFrame& prepare, float* out) {
  const Geometry frame = augmentation.frame;
  Augmentation inner = augmentation;
  inner.frame = {};
  std::vector<float> values(frame.size());
  prepare(inner, frame, values.data());
  int top = (frame.height - geometry.height) / 2, left = (frame.width - geometry.width) / 2;
  bool mirror = false;
  if (random != nullptr) {
    top = static_cast<int>(random->below(static_cast<uint32_t>(frame.height - geometry.height) + 1));
    left = static_cast<int>(random->below(static_cast<uint32_t>(frame.width - geometry.width) + 1));
    mirror = augmentation.crop_flip && random->below(2) != 0;
  }
  for (int c = 0; c < geometry.channels; ++c) {
    for (int y = 0; y < geometry.height; ++y, out += geometry.width) {
      const float* in = values.data() + (static_cast<size_t>(c) * frame.height + y + top) * frame.width + left;
      if (mirror) {
        std::reverse_copy(in, in + geometry.width, out);
      } else {
        std::copy_n(in, geometry.width, out);
      }
    }
  }
}

}  // namespace dng::data
