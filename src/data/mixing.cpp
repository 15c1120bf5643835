#include "data/mixing.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace dng::data {
namespace {

int draw_between(int low, int high, CounterRandom* random) {
  return low + static_cast<int>(random->below(static_cast<uint32_t>(high - low) + 1));
}

// Both ends count. In float, as in Darknet.
int draw_share(int side, float low, float high, CounterRandom* random) {
  const auto length = static_cast<float>(side);
  return draw_between(static_cast<int>(length * low), static_cast<int>(length * high), random);
}

double area(const Rectangle& rectangle) { return static_cast<double>(rectangle.width) * rectangle.height; }

}  // namespace

std::string Mixing::text() const {
  static const char* const names[] = {"", " mix=mixup", " mix=cutmix", " mix=mosaic", " mix=cutmix,mosaic"};
  return names[static_cast<int>(kind)] + (blur > 0 ? format(" blur=%d", blur) : "");
}

double Mix::weight(int i, const Geometry& geometry) const {
  if (mean) return 0.5;
  const double all = static_cast<double>(geometry.width) * geometry.height;
  if (i >= 0) return area(parts[i].rectangle) / all;
  double own = all;
  for (int k = 0; k < count; ++k) own -= area(parts[k].rectangle);
  return own / all;
}

Mix draw_mix(const Mixing& mixing, const Geometry& geometry, int64_t samples, CounterRandom* random) {
  using Kind = Mixing::Kind;
  const int width = geometry.width, height = geometry.height;
  Mix mix;
  mix.blurred = mixing.blur > 0 && random->below(4) == 0;
  if (mixing.kind == Kind::kNone || random->below(2) == 0) return mix;
  Kind kind = mixing.kind;
  if (kind == Kind::kCutMixOrMosaic) kind = random->below(2) == 0 ? Kind::kCutMix : Kind::kMosaic;
  mix.count = kind == Kind::kMosaic ? 3 : 1;
  for (int i = 0; i < mix.count; ++i) mix.parts[i].sample = random->below(static_cast<uint32_t>(samples));
  if (kind == Kind::kMixup) {
    mix.mean = true;
    mix.parts[0].rectangle = {0, 0, width, height};
  } else if (kind == Kind::kCutMix) {
    const int w = draw_share(width, 0.3f, 0.8f, random), h = draw_share(height, 0.3f, 0.8f, random);
    const int x = draw_between(0, width - w - 1, random), y = draw_between(0, height - h - 1, random);
    mix.parts[0].rectangle = {x, y, w, h};
  } else {
    const int x = draw_share(width, 0.2f, 0.8f, random), y = draw_share(height, 0.2f, 0.8f, random);
    mix.parts[0].rectangle = {x, 0, width - x, y};
    mix.parts[1].rectangle = {0, y, x, height - y};
    mix.parts[2].rectangle = {x, y, width - x, height - y};
  }
  return mix;
}

void mix_part(const Mix& mix, int part, const float* other, const Geometry& geometry, float* image) {
  const Rectangle& rectangle = mix.parts[part].rectangle;
  for (int c = 0; c < geometry.channels; ++c) {
    for (int y = rectangle.y; y < rectangle.y + rectangle.height; ++y) {
      const size_t first = (static_cast<size_t>(c) * geometry.height + y) * geometry.width + rectangle.x;
      if (mix.mean) {
        for (size_t i = first; i < first + rectangle.width; ++i) image[i] = (image[i] + other[i]) / 2;
      } else {
        std::copy_n(other + first, rectangle.width, image + first);
      }
    }
  }
}

void blur_image(int size, const Geometry& geometry, float* image) {
  const size_t plane = static_cast<size_t>(geometry.height) * geometry.width;
  // Without it OpenCV has tables for some sizes, which depend on its version.
  const int radius = (size - 1) / 2;
  const double sigma = 0.3 * (radius - 1) + 0.8;
  for (int c = 0; c < geometry.channels; ++c, image += plane) {
    const cv::Mat values(geometry.height, geometry.width, CV_32FC1, image);
    cv::GaussianBlur(values.clone(), values, {size, size}, sigma, sigma);
  }
}

int main_class(const LabelMix& label) {
  int best = 0;
  double most = 0;
  for (const int candidate : label.classes) {
    double weight = 0;
    for (int k = 0; k < LabelMix::kMax; ++k) weight += label.classes[k] == candidate ? label.weights[k] : 0.0;
    if (weight > most) {
      most = weight;
      best = candidate;
    }
  }
  return best;
}

}  // namespace dng::data
