// Unpacking of gzip files that are in memory.
#pragma once

#include <string>

namespace dng::data {

bool is_gzip(const std::string& bytes);

// The unpacked content (of all members). Truncated or damaged data is an Error that names `path`.
std::string gunzip(const std::string& bytes, const std::string& path);

}  // namespace dng::data
