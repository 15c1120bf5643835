// A rectangle of a JPEG, straight from libjpeg-turbo: only what the rectangle needs is transformed and turned to RGB.
// Its pixels are bit for bit those of the whole image decoded.
#pragma once

#include <string>

#include "data/image.h"

namespace dng::data {

// False where libjpeg dislikes anything about `bytes`, a warning included, and where they are none of the ordinary: the
// way through OpenCV then says what is wrong, or decodes them. The entropy-coded data is read to its end, so that
// damage below the rectangle is noticed, too. `choose` may have been called although the answer is false.
bool decode_jpeg_part(const std::string& bytes, const ChooseRectangle& choose, Part* part);

}  // namespace dng::data
