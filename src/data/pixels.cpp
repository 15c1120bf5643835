#include "data/pixels.h"

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>

#include "base/error.h"
#include "data/planes.h"

namespace dng::data {
namespace {

const std::array<float, 256>& plain_table() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> values{};
    for (size_t i = 0; i < 256; ++i) values[i] = static_cast<float>(static_cast<float>(i) / 255.);
    return values;
  }();
  return table;
}

// One formula for tables and for values in place: the same bits.
void normalise_range(const Augmentation& augmentation, int channel, const float* in, size_t count, float* out) {
  const auto c = static_cast<size_t>(channel);
  const float mean = augmentation.mean.empty() ? 0.0f : augmentation.mean[c];
  const float deviation = augmentation.std.empty() ? 1.0f : augmentation.std[c];
  for (size_t i = 0; i < count; ++i) out[i] = (in[i] - mean) / deviation;
}

bool is_plain(const Augmentation& augmentation) { return augmentation.mean.empty() && augmentation.std.empty(); }

void to_grey(const Image& image, Image* out) {
  const cv::Mat planes[3] = {plane_of(image, 0), plane_of(image, 1), plane_of(image, 2)};
  cv::Mat colour;
  cv::merge(planes, 3, colour);
  out->shape = {1, image.shape.height, image.shape.width};
  out->planes.resize(out->shape.size());
  cv::cvtColor(colour, plane_of(*out, 0), cv::COLOR_RGB2GRAY);
}

void repeat_plane(const Image& image, int channels, Image* out) {
  out->shape = {channels, image.shape.height, image.shape.width};
  out->planes.clear();
  for (int c = 0; c < channels; ++c) {
    out->planes.insert(out->planes.end(), image.planes.begin(), image.planes.end());
  }
}

}  // namespace

PixelTable::PixelTable() : shared_(plain_table().data()) {}

PixelTable::PixelTable(const Augmentation& augmentation, int channels) {
  const std::array<float, 256>& plain = plain_table();
  if (is_plain(augmentation)) {
    shared_ = plain.data();
    return;
  }
  values_.resize(256 * static_cast<size_t>(channels));
  for (int c = 0; c < channels; ++c) normalise_range(augmentation, c, plain.data(), 256, values_.data() + 256 * c);
}

const Image& with_channels(const Image& image, int channels, Image* buffers) {
  if (image.shape.channels == channels) return image;
  if (image.shape.channels == 3 && channels == 1) {
    to_grey(image, buffers);
  } else if (image.shape.channels == 1 && channels == 3) {
    repeat_plane(image, channels, buffers);
  } else {
    fail("image has %d channels, the network %d; allowed: the same number, 3 to 1 (grey) or 1 to 3; correct 'channels'",
         image.shape.channels, channels);
  }
  return *buffers;
}

void cut_part(const Image& image, const Rectangle& rectangle, Part* part) {
  part->reserve(rectangle.height, rectangle.width);
  part->height = rectangle.height;
  part->width = rectangle.width;
  for (size_t c = 0; c < 3; ++c) {
    const size_t plane = image.shape.channels == 3 ? c : 0;
    for (int y = 0; y < rectangle.height; ++y) {
      const size_t row = plane * image.shape.height + static_cast<size_t>(rectangle.y + y);
      const uint8_t* in = image.planes.data() + row * image.shape.width + rectangle.x;
      uint8_t* out = part->bytes.data() + part->stride * static_cast<size_t>(y) + c;
      for (int x = 0; x < rectangle.width; ++x) out[4 * x] = in[x];
    }
  }
}

void copy_window(const Image& image, const Window& window, const PixelTable& table, const Geometry& geometry,
                 float* out) {
  const int width = geometry.width;
  // Columns of the window that lie within the image.
  const int first = std::clamp(-window.x, 0, width);
  const int last = std::clamp(image.shape.width - window.x, first, width);
  for (int c = 0; c < geometry.channels; ++c) {
    const float* value = table.channel(c);
    const float outside = value[0];
    for (int y = 0; y < geometry.height; ++y, out += width) {
      const int row = y + window.y;
      if (row < 0 || row >= image.shape.height || first == last) {
        std::fill(out, out + width, outside);
        continue;
      }
      const uint8_t* bytes =
          image.planes.data() + (static_cast<size_t>(c) * image.shape.height + row) * image.shape.width;
      if (window.mirror) {
        std::fill(out + (width - first), out + width, outside);
        for (int x = first; x < last; ++x) out[width - 1 - x] = value[bytes[x + window.x]];
        std::fill(out, out + (width - last), outside);
      } else {
        std::fill(out, out + first, outside);
        for (int x = first; x < last; ++x) out[x] = value[bytes[x + window.x]];
        std::fill(out + last, out + width, outside);
      }
    }
  }
}

void normalise(const Augmentation& augmentation, const Geometry& geometry, float* values) {
  if (is_plain(augmentation)) return;
  const size_t plane = static_cast<size_t>(geometry.height) * geometry.width;
  for (int c = 0; c < geometry.channels; ++c, values += plane) {
    normalise_range(augmentation, c, values, plane, values);
  }
}

}  // namespace dng::data
