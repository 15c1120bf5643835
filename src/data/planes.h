// Planes of an image as OpenCV sees them.
#pragma once

#include <opencv2/core.hpp>

#include "data/image.h"

namespace dng::data {

// A view: to be written only where the image may be.
inline cv::Mat plane_of(const Image& image, int channel) {
  const size_t size = static_cast<size_t>(image.shape.height) * image.shape.width;
  return {image.shape.height, image.shape.width, CV_8UC1,
          const_cast<uint8_t*>(image.planes.data()) + static_cast<size_t>(channel) * size};
}

}  // namespace dng::data
