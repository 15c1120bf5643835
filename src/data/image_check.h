// What can be told about an image file before it is decoded.
#pragma once

#include <string>

namespace dng::data {

bool is_jpeg(const std::string& bytes);

// Empty, or why a JPEG or PNG file is not decoded: truncated, damaged (PNG), more pixels than so many bytes can hold,
// or more scans than any encoder writes. The last two would cost seconds and memory, whatever the decoder makes of
// them.
std::string image_problem(const std::string& bytes);

}  // namespace dng::data
