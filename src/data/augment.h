// From a decoded image to the network's input: augmentation for training, Darknet's cropping for evaluation. All random
// numbers come from the generator that is passed in, so a sample depends on (seed, epoch, sample) alone.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "data/image.h"
#include "data/mixing.h"

namespace dng::data {

// How an image of another size becomes the network's size for evaluation.
enum class EvalCrop {
  kCentreSquare,  // packaged Darknet's `classifier valid`: the centre square, resized to the network's size
  kResizeMin,     // AlexeyAB's: resized so that the shorter side fits the width, then the centre crop
};

// The keys of [net] that shape the input; the defaults change nothing.
struct Augmentation {
  // The plugin's own keys. Any of them turns Darknet's augmentation off.
  int pad = 0;                       // zero padding on every side before a random crop of the network's size
  bool mirror = false;               // left-right flip with probability 1/2
  bool random_resized_crop = false;  // area 8..100 %, aspect 3/4..4/3, resized to the network's size (bilinear)
  bool own = false;                  // true where the cfg has any of pad, mirror, random_resized_crop
  // Darknet's keys, used where `own` is false.
  bool flip = true;       // as mirror
  double angle = 0;       // degrees, drawn from +-angle
  double aspect = 1;      // drawn from 1/aspect..aspect
  double hue = 0;         // drawn from +-hue (1 is 360 degrees)
  double saturation = 1;  // factor, drawn from 1/saturation..saturation
  double exposure = 1;    // factor, drawn from 1/exposure..exposure
  // Range of the length, in pixels, that the image's shorter side is scaled to; 0: the network's width. (Darknet's cfg
  // parser has other defaults: min_crop = width, max_crop = 2 * width.)
  int min_crop = 0, max_crop = 0;
  // Both for training and evaluation.
  std::vector<float> mean, std;  // per channel, in units of 0..1; empty: none
  EvalCrop eval_crop = EvalCrop::kCentreSquare;
  Geometry frame;          // of a [crop], which cuts the input out of it (data/frame.h); of size 0: none
  bool crop_flip = false;  // [crop] flips, too
  Mixing mixing;           // of training images, after everything else
  int valid_resize = 0;    // > 0: shorter side to this length, then the centre crop, instead of eval_crop

  // Canonical text of everything that shapes training input; two runs with the same text, seed, data and batch size see
  // the same batches.
  std::string training_text() const;
};

// Throws Error where the range of crop lengths is empty. Everything else is checked with the cfg.
void check_crop(const Augmentation& augmentation, const Geometry& geometry);

// Whether a training sample comes from a rectangle that can be drawn before the image is decoded: with
// random_resized_crop, unless colours must be turned to grey first.
bool uses_part(const Augmentation& augmentation, const Geometry& geometry);
// The rectangle of a random resized crop.
Rectangle draw_rectangle(const Geometry& shape, CounterRandom* random);
// The rest of the augmentation, with the generator in the state that draw_rectangle left.
void augment_part(const Part& part, const Augmentation& augmentation, const Geometry& geometry, CounterRandom* random,
                  float* out);

// Writes one augmented sample to `out` (geometry.size() floats, planes, 0..1 before mean and std).
void augment_for_training(const Image& image, const Augmentation& augmentation, const Geometry& geometry,
                          CounterRandom* random, float* out);

// Writes the sample as it is evaluated. An image of the network's size is copied, whatever eval_crop and
// valid_resize.
void prepare_for_evaluation(const Image& image, const Augmentation& augmentation, const Geometry& geometry, float* out);

}  // namespace dng::data
