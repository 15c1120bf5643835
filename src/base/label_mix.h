// The label of a mixed image.
#pragma once

namespace dng {

// Classes with weights that sum to 1, the image's own first; unused ones have the weight 0.
struct LabelMix {
  static constexpr int kMax = 4;
  int classes[kMax];
  double weights[kMax];
};

}  // namespace dng
