// Decodes a rectangle of a JPEG with libjpeg-turbo: only the blocks that it needs are transformed and converted to RGB.
// The pixels are bit for bit those of the whole image.
#pragma once

#include <string>

#include "data/image.h"

namespace dng::data {

// False for any error or warning of libjpeg, and for unusual files (CMYK, very large): OpenCV then decodes them or
// reports what is wrong. The entropy-coded data is read to its end, so that damage below the rectangle is noticed, too.
// `choose` may have been called before false is returned.
bool decode_jpeg_part(const std::string& bytes, const ChooseRectangle& choose, Part* part);

}  // namespace dng::data
