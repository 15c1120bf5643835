// One image file: read, checked, decoded.
#pragma once

#include <string>

#include "data/image.h"

namespace dng::data {

// Decodes `path` into three planes (R, G, B); orientation tags are ignored, as in Darknet. Throws Error naming the file
// where it cannot be read or decoded. Truncated and damaged JPEG and PNG files are refused: the decoders behind OpenCV
// would fill the rest with grey and say so on stderr only. What they write there goes into the error instead.
void decode_image_file(const std::string& path, Image* image);

// The bytes of a PNG file of the image: grey for one plane, RGB for three.
std::string encode_png(const Image& image);

// The chosen rectangle of the same pixels. Of an ordinary JPEG only what it needs is decoded (data/jpeg_part.h); what
// is refused, and in which words, is the same.
void decode_image_part(const std::string& path, const ChooseRectangle& choose, Part* part);

// Keeps OpenCV quiet and single-threaded: the streams' workers are the parallelism, and a second pool below them would
// only fight for the same cores. Does its work once.
void prepare_opencv();

}  // namespace dng::data
