#include "data/augment.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/frame.h"
#include "data/host_augment.h"
#include "data/pixels.h"
#include "data/resample.h"

namespace dng::data {
namespace {

constexpr int kMaxCropAttempts = 10;
constexpr double kSmallestArea = 0.08;
constexpr double kNarrowest = 3.0 / 4.0, kWidest = 4.0 / 3.0;

int draw_below(int bound, CounterRandom* random) {
  return static_cast<int>(random->below(static_cast<uint32_t>(bound)));
}

void augment_with_own_keys(const Image& image, const Augmentation& augmentation, const Geometry& geometry,
                           CounterRandom* random, float* out) {
  if (augmentation.random_resized_crop) {
    Part part;
    cut_part(image, draw_rectangle(image.shape, random), &part);
    augment_part(part, augmentation, geometry, random, out);
    return;
  }
  const int pad = augmentation.pad;
  const int free_rows = image.shape.height + 2 * pad - geometry.height;
  const int free_columns = image.shape.width + 2 * pad - geometry.width;
  if (free_rows < 0 || free_columns < 0) {
    fail(
        "image of %dx%d (height x width) with pad = %d is smaller than the network's %dx%d; set random_resized_crop = "
        "1, or give larger images",
        image.shape.height, image.shape.width, pad, geometry.height, geometry.width);
  }
  const Window window = draw_window(image.shape, geometry, pad, augmentation.mirror, random);
  copy_window(image, window, PixelTable(augmentation, geometry.channels), geometry, out);
}

std::string values_text(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text += format("%s%.9g", text.empty() ? "" : ",", static_cast<double>(value));
  return text.empty() ? "none" : text;
}

}  // namespace

std::string Augmentation::training_text() const {
  std::string text;
  if (own) {
    text = format("own pad=%d mirror=%d random_resized_crop=%d", pad, mirror ? 1 : 0, random_resized_crop ? 1 : 0);
  } else {
    text = format("host flip=%d angle=%.17g aspect=%.17g hue=%.17g saturation=%.17g exposure=%.17g crop=%d..%d",
                  flip ? 1 : 0, angle, aspect, hue, saturation, exposure, min_crop, max_crop);
  }
  if (frame.size() > 0) text += format(" frame=%dx%d crop_flip=%d", frame.height, frame.width, crop_flip ? 1 : 0);
  return text + mixing.text() + " mean=" + values_text(mean) + " std=" + values_text(std);
}

void check_crop(const Augmentation& augmentation, const Geometry& geometry) {
  if (augmentation.own) return;
  const int low = augmentation.min_crop != 0 ? augmentation.min_crop : geometry.width;
  const int high = augmentation.max_crop != 0 ? augmentation.max_crop : geometry.width;
  if (low < 0 || high < low) {
    fail("[net] min_crop = %d, max_crop = %d; allowed: 0 < min_crop <= max_crop (0: the network's width, %d)",
         augmentation.min_crop, augmentation.max_crop, geometry.width);
  }
}

// torchvision's RandomResizedCrop.
Rectangle draw_rectangle(const Geometry& shape, CounterRandom* random) {
  const int height = shape.height, width = shape.width;
  for (int i = 0; i < kMaxCropAttempts; ++i) {
    const double area = random->uniform(kSmallestArea, 1) * height * width;
    const double aspect = std::exp(random->uniform(std::log(kNarrowest), std::log(kWidest)));
    const auto w = static_cast<int>(std::lround(std::sqrt(area * aspect)));
    const auto h = static_cast<int>(std::lround(std::sqrt(area / aspect)));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int y = draw_below(height - h + 1, random);
    return {draw_below(width - w + 1, random), y, w, h};
  }
  Rectangle part = {0, 0, width, height};
  if (width < kNarrowest * height) part.height = std::max(1, static_cast<int>(std::lround(width / kNarrowest)));
  if (width > kWidest * height) part.width = std::max(1, static_cast<int>(std::lround(height * kWidest)));
  part.x = (width - part.width) / 2;
  part.y = (height - part.height) / 2;
  return part;
}

bool uses_part(const Augmentation& augmentation, const Geometry& geometry) {
  return augmentation.own && augmentation.random_resized_crop && geometry.channels == 3 &&
         augmentation.frame.size() == 0;
}

void augment_part(const Part& part, const Augmentation& augmentation, const Geometry& geometry, CounterRandom* random,
                  float* out) {
  const bool mirror = augmentation.mirror && random->below(2) != 0;
  resample(part, mirror, geometry, out);
  normalise(augmentation, geometry, out);
}

void augment_for_training(const Image& original, const Augmentation& augmentation, const Geometry& geometry,
                          CounterRandom* random, float* out) {
  if (augmentation.frame.size() > 0) {
    cut_out_of_frame(
        augmentation, geometry, random,
        [&](const Augmentation& inner, const Geometry& frame, float* values) {
          augment_for_training(original, inner, frame, random, values);
        },
        out);
    return;
  }
  Image buffers;
  const Image& image = with_channels(original, geometry.channels, &buffers);
  if (augmentation.own) {
    augment_with_own_keys(image, augmentation, geometry, random, out);
  } else {
    augment_as_host(image, augmentation, geometry, random, out);
  }
}

}  // namespace dng::data
