#include "data/image_file.h"

#include <zlib.h>

#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng {
namespace {

const char* const kPngSignature = "\x89PNG\r\n\x1a\n";

uint32_t byte_at(const std::string& bytes, size_t at) { return static_cast<unsigned char>(bytes[at]); }

uint32_t big_endian_32(const std::string& bytes, size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3);
}

// Walks the segments up to the end-of-image marker. Looking for FF D9 near the end of the file is not enough: a preview
// inside has one as well, and cameras append data of their own.
bool jpeg_is_complete(const std::string& bytes) {
  size_t at = 2;
  while (at + 1 < bytes.size()) {
    if (byte_at(bytes, at) != 0xff) {  // entropy-coded data
      at = bytes.find('\xff', at);
      if (at == std::string::npos) return false;
      continue;
    }
    const uint32_t marker = byte_at(bytes, at + 1);
    if (marker == 0xd9) return true;
    if (marker == 0xff) {  // fill byte
      ++at;
    } else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {  // stuffed byte, restart: no length follows
      at += 2;
    } else if (at + 3 < bytes.size()) {
      at += 2 + (byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3));
    } else {
      return false;
    }
  }
  return false;
}

// Empty where every chunk up to IEND is there and has the right checksum.
std::string png_problem(const std::string& bytes) {
  size_t at = 8;
  while (at + 12 <= bytes.size()) {
    const size_t length = big_endian_32(bytes, at);
    if (length > bytes.size() - at - 12) break;
    const auto* type = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    if (crc32(crc32(0, nullptr, 0), type, static_cast<uInt>(length + 4)) != big_endian_32(bytes, at + 8 + length)) {
      return format("damaged PNG (checksum of the chunk at offset %zu)", at);
    }
    if (bytes.compare(at + 4, 4, "IEND") == 0) return "";
    at += 12 + length;
  }
  return format("truncated PNG (%zu bytes, no end of image)", bytes.size());
}

std::string file_problem(const std::string& bytes) {
  if (bytes.empty()) return "empty file (0 bytes)";
  if (starts_with(bytes, "\xff\xd8") && !jpeg_is_complete(bytes)) {
    return format("truncated JPEG (%zu bytes, no end of image)", bytes.size());
  }
  if (starts_with(bytes, kPngSignature)) return png_problem(bytes);
  return "";
}

}  // namespace

void prepare_opencv() {
  static std::once_flag once;
  std::call_once(once, [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::setNumThreads(0);
  });
}

void decode_image_file(const std::string& path, Image* image) {
  const std::string bytes = read_file(path, "image");
  const std::string problem = file_problem(bytes);
  if (!problem.empty()) {
    fail("%s: image cannot be decoded: %s; get the file again or take it out of the list", path.c_str(),
         problem.c_str());
  }
  cv::Mat decoded;
  try {
    const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    decoded = cv::imdecode(raw, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    decoded.release();
  }
  if (decoded.empty() || decoded.type() != CV_8UC3) {
    fail("%s: image cannot be decoded (%zu bytes): damaged, or none of OpenCV's formats; take it out of the list",
         path.c_str(), bytes.size());
  }
  image->shape = {3, decoded.rows, decoded.cols};
  image->planes.resize(image->shape.size());
  const size_t plane = static_cast<size_t>(decoded.rows) * decoded.cols;
  uint8_t* out = image->planes.data();
  for (int y = 0; y < decoded.rows; ++y) {
    const uint8_t* row = decoded.ptr<uint8_t>(y);
    for (int x = 0; x < decoded.cols; ++x, row += 3, ++out) {
      out[0] = row[2];
      out[plane] = row[1];
      out[2 * plane] = row[0];
    }
  }
}

}  // namespace dng
