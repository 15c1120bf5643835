// Resizing of images.
#pragma once

#include "data/image.h"

namespace dng::data {

// Darknet's own resize, on one plane of floats: bilinear with aligned corners (the scale is (in - 1) / (out - 1)), rows
// first and then columns; the last column and row copy the last pixel. In Darknet rounding can put the last row just
// before the last pixel, which it then forgets to add: the row comes out black (228 rows to 224, for one). Not here.
void resize_aligned(const float* in, int in_height, int in_width, float* out, int out_height, int out_width);

// The rectangle of every plane resized to height x width: by area where both sides shrink, else bilinear.
Image resize_rectangle(const Image& image, const Rectangle& rectangle, int height, int width);

}  // namespace dng::data
