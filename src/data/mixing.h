// Mixed images, as AlexeyAB's Darknet trains its classifiers with them: the keys mixup, cutmix, mosaic and blur of
// [net].
#pragma once

#include <cstdint>
#include <string>

#include "base/label_mix.h"
#include "base/random.h"
#include "data/image.h"

namespace dng::data {

struct Mixing {
  enum class Kind { kNone, kMixup, kCutMix, kMosaic, kCutMixOrMosaic };  // in the order of mixup=
  Kind kind = Kind::kNone;
  int blur = 0;  // width of the Gaussian in pixels, odd; 0: none

  bool any() const { return kind != Kind::kNone || blur > 0; }
  std::string text() const;
};

// What is drawn for one image. Every second image is mixed:
//   mixup   the mean of two images
//   cutmix  a rectangle of 0.3 to 0.8 of each side comes from another image, where it is there
//   mosaic  the quarters right above, left below and right below a point come from three other images, where they are
//           there; the point is at 0.2 to 0.8 of each side
// Each image's weight in the label is its share of the pixels. The others are drawn from the whole set, with
// replacement. Every fourth image is blurred.
struct Mix {
  struct Part {
    int64_t sample = 0;
    Rectangle rectangle;  // where it is seen
  };
  static constexpr int kMaxParts = LabelMix::kMax - 1;
  Part parts[kMaxParts];  // of other images
  int count = 0;
  bool mean = false;  // mixup
  bool blurred = false;

  // Of the label of part `i`; -1: of the image's own.
  double weight(int i, const Geometry& geometry) const;
};

Mix draw_mix(const Mixing& mixing, const Geometry& geometry, int64_t samples, CounterRandom* random);
// Puts a part into the image; both are augmented, planes of the network's size.
void mix_part(const Mix& mix, int part, const float* other, const Geometry& geometry, float* image);
// With sigma = 0.3 ((size - 1) / 2 - 1) + 0.8, mirrored at the edges (the edge itself once).
void blur_image(int size, const Geometry& geometry, float* image);
// The class with the largest weight, of equal ones the first.
int main_class(const LabelMix& label);

}  // namespace dng::data
