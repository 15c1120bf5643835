#include "data/resize.h"

#include <opencv2/imgproc.hpp>
#include <vector>

#include "data/planes.h"

namespace dng::data {
namespace {

// Position i of the output between two pixels of the input.
struct Tap {
  int index = 0;        // the pixel before
  float weight = 0.0f;  // of the pixel after; 0 where there is none
};

std::vector<Tap> aligned_taps(int in, int out) {
  std::vector<Tap> taps(static_cast<size_t>(out));
  const float scale = out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.0f;
  for (int i = 0; i < out; ++i) {
    Tap& tap = taps[static_cast<size_t>(i)];
    const float position = static_cast<float>(i) * scale;
    const int before = static_cast<int>(position);
    if (i == out - 1 || before >= in - 1) {
      tap.index = in - 1;
    } else {
      tap.index = before;
      tap.weight = position - static_cast<float>(before);
    }
  }
  return taps;
}

}  // namespace

void resize_aligned(const float* in, int in_height, int in_width, float* out, int out_height, int out_width) {
  const std::vector<Tap> columns = aligned_taps(in_width, out_width);
  const std::vector<Tap> rows = aligned_taps(in_height, out_height);
  const auto width = static_cast<size_t>(out_width);
  std::vector<float> narrow(width * in_height);
  float* part = narrow.data();
  for (int y = 0; y < in_height; ++y, in += in_width) {
    for (const Tap& tap : columns) {
      const float after = tap.weight > 0.0f ? in[tap.index + 1] : 0.0f;
      *part++ = (1 - tap.weight) * in[tap.index] + tap.weight * after;
    }
  }
  for (const Tap& tap : rows) {
    const float* before = narrow.data() + width * tap.index;
    const float* after = tap.weight > 0.0f ? before + width : before;
    for (size_t x = 0; x < width; ++x) *out++ = (1 - tap.weight) * before[x] + tap.weight * after[x];
  }
}

Image resize_rectangle(const Image& image, const Rectangle& rectangle, int height, int width) {
  Image out;
  out.shape = {image.shape.channels, height, width};
  out.planes.resize(out.shape.size());
  const bool shrinks = rectangle.width >= width && rectangle.height >= height;
  for (int c = 0; c < image.shape.channels; ++c) {
    const cv::Rect part(rectangle.x, rectangle.y, rectangle.width, rectangle.height);
    cv::resize(plane_of(image, c)(part), plane_of(out, c), {width, height}, 0, 0,
               shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  return out;
}

}  // namespace dng::data
