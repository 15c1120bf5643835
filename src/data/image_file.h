// One image file: read, checked, decoded.
#pragma once

#include <string>

#include "data/image.h"

namespace dng::data {

// Decodes `path` into three planes (R, G, B); orientation tags are ignored, as in Darknet. Throws Error naming the file
// where it cannot be read or decoded. Truncated and damaged JPEG and PNG files are refused: OpenCV's decoders would
// fill the rest with grey and only warn on stderr. Their warnings go into the error instead.
void decode_image_file(const std::string& path, Image* image);

// The bytes of a PNG file of the image: grey for one plane, RGB for three.
std::string encode_png(const Image& image);

// The chosen rectangle of the same pixels, with the same errors. Of an ordinary JPEG only the blocks that it needs are
// decoded (data/jpeg_part.h).
void decode_image_part(const std::string& path, const ChooseRectangle& choose, Part* part);

// Makes OpenCV silent and single-threaded: the streams' workers already use all cores. Only the first call has an
// effect.
void prepare_opencv();

}  // namespace dng::data
