#include "data/host_augment.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "base/error.h"
#include "data/pixels.h"
#include "data/planes.h"

namespace dng::data {
namespace {

// Both hosts take 0 for what lies outside of the image (rotated corners, aspect ratios).
constexpr int kBorder = cv::BORDER_CONSTANT;

// OpenCV's warpAffine has 16 bits for a position in the image, and refuses more without a word about the image.
constexpr int kMaxSide = 32766;

// Rotation, scale and offset that were drawn for one sample; names as in Darknet.
struct Placement {
  double aspect = 1, scale = 1, radians = 0, dx = 0, dy = 0;
  bool is_identity() const { return aspect == 1 && scale == 1 && radians == 0 && dx == 0 && dy == 0; }
};

// 1..limit, or its inverse.
double draw_factor(double limit, CounterRandom* random) {
  const double factor = random->uniform(1, limit);
  return random->below(2) != 0 ? factor : 1 / factor;
}

double draw_symmetric(double limit, CounterRandom* random) { return random->uniform(-limit, limit); }

Placement draw_placement(const Image& image, const Augmentation& augmentation, const Geometry& geometry,
                         CounterRandom* random) {
  const int height = image.shape.height, width = image.shape.width;
  const int low = augmentation.min_crop > 0 ? augmentation.min_crop : geometry.width;
  const int high = augmentation.max_crop > 0 ? augmentation.max_crop : geometry.width;
  Placement place;
  place.aspect = draw_factor(augmentation.aspect, random);
  const auto length = low + static_cast<int>(random->below(static_cast<uint32_t>(high - low) + 1));
  const int shorter = std::max(1, static_cast<int>(std::min<double>(height, width * place.aspect)));
  place.scale = static_cast<double>(length) / shorter;
  place.radians = draw_symmetric(augmentation.angle, random) * CV_PI / 180;
  place.dx = draw_symmetric((width * place.scale / place.aspect - geometry.width) / 2, random);
  place.dy = draw_symmetric((height * place.scale - geometry.height) / 2, random);
  return place;
}

// Output pixel (x, y) samples the image at
//   rx = cos (a (x - W/2) / s + a dx / s) - sin ((y - H/2) / s + dy / s) + w/2
//   ry = sin (a (x - W/2) / s + a dx / s) + cos ((y - H/2) / s + dy / s) + h/2
// with aspect a and scale s.
void place_image(const Image& image, const Placement& place, const Geometry& geometry, float* out) {
  const int height = image.shape.height, width = image.shape.width;
  const double across = place.aspect / place.scale, down = 1 / place.scale;
  const double cosine = std::cos(place.radians), sine = std::sin(place.radians);
  const double left = (place.dx - geometry.width / 2.) * across, top = (place.dy - geometry.height / 2.) * down;
  const cv::Matx23d map(cosine * across, -sine * down, cosine * left - sine * top + width / 2.,  //
                        sine * across, cosine * down, sine * left + cosine * top + height / 2.);
  const size_t target_plane = static_cast<size_t>(geometry.height) * geometry.width;
  cv::Mat source;
  for (int c = 0; c < geometry.channels; ++c) {
    plane_of(image, c).convertTo(source, CV_32FC1, 1 / 255.);
    cv::Mat target(geometry.height, geometry.width, CV_32FC1, out + c * target_plane);
    cv::warpAffine(source, target, map, target.size(), cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, kBorder);
  }
}

void mirror_rows(const Geometry& geometry, float* values) {
  const int rows = geometry.channels * geometry.height;
  for (int y = 0; y < rows; ++y, values += geometry.width) std::reverse(values, values + geometry.width);
}

void clamp_to_unit(const Geometry& geometry, float* values) {
  for (size_t i = 0; i < geometry.size(); ++i) values[i] = std::clamp(values[i], 0.0f, 1.0f);
}

// Shifts the hue and scales saturation and value; colours are clamped to 0..1 at the end only, as in Darknet.
void distort_colours(float hue, float saturation, float exposure, const Geometry& geometry, float* values) {
  const int height = geometry.height, width = geometry.width;
  const size_t plane = static_cast<size_t>(height) * width;
  if (geometry.channels != 3) {
    for (size_t i = 0; i < geometry.size(); ++i) values[i] *= exposure;
    return;
  }
  cv::Mat planes[3] = {{height, width, CV_32FC1, values},
                       {height, width, CV_32FC1, values + plane},
                       {height, width, CV_32FC1, values + 2 * plane}};
  cv::Mat colours;
  cv::merge(planes, 3, colours);
  cv::cvtColor(colours, colours, cv::COLOR_RGB2HSV);
  auto* pixel = colours.ptr<float>();
  for (size_t i = 0; i < plane; ++i, pixel += 3) {
    pixel[0] += 360 * hue;
    if (pixel[0] >= 360) pixel[0] -= 360;
    if (pixel[0] < 0) pixel[0] += 360;
    pixel[1] *= saturation;
    pixel[2] *= exposure;
  }
  cv::cvtColor(colours, colours, cv::COLOR_HSV2RGB);
  cv::split(colours, planes);
}

}  // namespace

void augment_as_host(const Image& image, const Augmentation& augmentation, const Geometry& geometry,
                     CounterRandom* random, float* out) {
  if (std::max(image.shape.height, image.shape.width) > kMaxSide) {
    fail("image of %dx%d (height x width); allowed: %d on a side; make it smaller, or set random_resized_crop = 1",
         image.shape.height, image.shape.width, kMaxSide);
  }
  const bool same_size = image.shape.height == geometry.height && image.shape.width == geometry.width;
  const Placement place = draw_placement(image, augmentation, geometry, random);
  const bool mirror = augmentation.flip && random->below(2) != 0;
  if (same_size && place.is_identity()) {
    copy_window(image, {0, 0, mirror}, PixelTable(), geometry, out);
  } else {
    place_image(image, place, geometry, out);
    if (mirror) mirror_rows(geometry, out);
  }
  const double hue = draw_symmetric(augmentation.hue, random);
  const double saturation = draw_factor(augmentation.saturation, random);
  const double exposure = draw_factor(augmentation.exposure, random);
  if (hue != 0 || saturation != 1 || exposure != 1) {
    distort_colours(static_cast<float>(hue), static_cast<float>(saturation), static_cast<float>(exposure), geometry,
                    out);
    clamp_to_unit(geometry, out);
  }
  normalise(augmentation, geometry, out);
}

}  // namespace dng::data
