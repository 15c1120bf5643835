// prepare_for_evaluation: the hosts' ways of cropping, and resize with centre crop.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "data/augment.h"
#include "data/frame.h"
#include "data/pixels.h"
#include "data/resize.h"

namespace dng::data {
namespace {

// Of a resized image: a line of pixels would become gigabytes.
constexpr int64_t kMaxPixels = int64_t{1} << 28;

// Height and width after scaling the shorter side to `length`; fractions are cut off, as in Darknet and torchvision.
Geometry shorter_side_to(const Geometry& shape, int length) {
  const int64_t shorter = std::min(shape.height, shape.width), longer = std::max(shape.height, shape.width);
  const int64_t other = longer * length / shorter;
  if (other * length > kMaxPixels) {
    fail("image of %dx%d (height x width) would be resized to %lld pixels, its shorter side to %d; allowed: %lld",
         shape.height, shape.width, static_cast<long long>(other * length), length, static_cast<long long>(kMaxPixels));
  }
  if (shape.width < shape.height) return {shape.channels, static_cast<int>(other), length};
  return {shape.channels, length, static_cast<int>(other)};
}

std::vector<float> to_floats(const Image& image, const Rectangle& part) {
  std::vector<float> values(static_cast<size_t>(image.shape.channels) * part.height * part.width);
  copy_window(image, {part.x, part.y, false}, PixelTable(), {image.shape.channels, part.height, part.width},
              values.data());
  return values;
}

// Planes of `from`'s size resized to `to`'s.
void resize_planes(const float* in, const Geometry& from, const Geometry& to, float* out) {
  for (int c = 0; c < from.channels; ++c) {
    resize_aligned(in, from.height, from.width, out, to.height, to.width);
    in += static_cast<size_t>(from.height) * from.width;
    out += static_cast<size_t>(to.height) * to.width;
  }
}

void centre_square(const Image& image, const Geometry& geometry, float* out) {
  const int side = std::min(image.shape.height, image.shape.width);
  const Rectangle part = {(image.shape.width - side) / 2, (image.shape.height - side) / 2, side, side};
  const std::vector<float> values = to_floats(image, part);
  resize_planes(values.data(), {geometry.channels, side, side}, geometry, out);
}

// The crop repeats edge pixels where the network is larger than the resized image, as Darknet's does.
void resize_min(const Image& image, const Geometry& geometry, float* out) {
  const Geometry size = shorter_side_to(image.shape, geometry.width);
  std::vector<float> values = to_floats(image, {0, 0, image.shape.width, image.shape.height});
  if (size.height != image.shape.height || size.width != image.shape.width) {
    std::vector<float> resized(size.size());
    resize_planes(values.data(), image.shape, size, resized.data());
    values.swap(resized);
  }
  const int left = (size.width - geometry.width) / 2, top = (size.height - geometry.height) / 2;
  for (int c = 0; c < geometry.channels; ++c) {
    for (int y = 0; y < geometry.height; ++y) {
      const int row = std::clamp(y + top, 0, size.height - 1);
      const float* in = values.data() + (static_cast<size_t>(c) * size.height + row) * size.width;
      for (int x = 0; x < geometry.width; ++x) *out++ = in[std::clamp(x + left, 0, size.width - 1)];
    }
  }
}

void resize_and_crop(const Image& image, const Augmentation& augmentation, const Geometry& geometry, float* out) {
  const Geometry size = shorter_side_to(image.shape, augmentation.valid_resize);
  const Window window = {(size.width - geometry.width) / 2, (size.height - geometry.height) / 2, false};
  const PixelTable table(augmentation, geometry.channels);
  if (size.height == image.shape.height && size.width == image.shape.width) {
    copy_window(image, window, table, geometry, out);
  } else {
    const Rectangle whole = {0, 0, image.shape.width, image.shape.height};
    copy_window(resize_rectangle(image, whole, size.height, size.width), window, table, geometry, out);
  }
}

}  // namespace

void prepare_for_evaluation(const Image& original, const Augmentation& augmentation, const Geometry& geometry,
                            float* out) {
  if (augmentation.frame.size() > 0) {
    cut_out_of_frame(
        augmentation, geometry, nullptr,
        [&](const Augmentation& inner, const Geometry& frame, float* values) {
          prepare_for_evaluation(original, inner, frame, values);
        },
        out);
    return;
  }
  Image buffers;
  const Image& image = with_channels(original, geometry.channels, &buffers);
  if (image.shape.height == geometry.height && image.shape.width == geometry.width) {
    copy_window(image, Window(), PixelTable(augmentation, geometry.channels), geometry, out);
  } else if (augmentation.valid_resize > 0) {
    resize_and_crop(image, augmentation, geometry, out);
  } else {
    if (augmentation.eval_crop == EvalCrop::kCentreSquare) {
      centre_square(image, geometry, out);
    } else {
      resize_min(image, geometry, out);
    }
    normalise(augmentation, geometry, out);
  }
}

}  // namespace dng::data
