#include "data/image_check.h"

#include <zlib.h>

#include <cstdint>

#include "base/error.h"
#include "base/text.h"

namespace dng::data {
namespace {

const char* const kJpegSignature = "\xff\xd8";
const char* const kPngSignature = "\x89PNG\r\n\x1a\n";
// Deflate packs at most 1032 bytes into one, of 8 pixels each in a black and white PNG. A Huffman-coded JPEG has at
// least one bit for a block, which covers at most 32x32 pixels: fewer.
constexpr uint64_t kMaxPixelsPerByte = uint64_t{8} * 1032;
// Progressive JPEGs have about ten.
constexpr int kMaxScans = 100;

std::string size_problem(uint64_t height, uint64_t width, size_t bytes) {
  if (height * width <= kMaxPixelsPerByte * bytes) return "";
  return format("damaged header (%llux%llu pixels in %zu bytes; allowed: %llu a byte)",
                static_cast<unsigned long long>(width), static_cast<unsigned long long>(height), bytes,
                static_cast<unsigned long long>(kMaxPixelsPerByte));
}

bool is_frame(uint32_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// Walks the segments up to the end-of-image marker. Looking for FF D9 near the end of the file is not enough: a preview
// inside has one as well, and cameras append data of their own.
std::string jpeg_problem(const std::string& bytes) {
  size_t at = 2;
  int scans = 0;
  while (at + 1 < bytes.size()) {
    if (bytes[at] != '\xff') {  // entropy-coded data
      at = bytes.find('\xff', at);
      if (at == std::string::npos) break;
      continue;
    }
    const uint32_t marker = big_endian(bytes, at + 1, 1);
    if (marker == 0xd9) {
      return scans <= kMaxScans ? "" : format("JPEG of %d scans; allowed: %d", scans, kMaxScans);
    }
    if (marker == 0xff) {  // fill byte
      ++at;
    } else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {  // stuffed byte, restart: no length follows
      at += 2;
    } else if (at + 3 < bytes.size()) {
      if (marker == 0xda) ++scans;
      if (is_frame(marker) && at + 8 < bytes.size()) {
        std::string problem = size_problem(big_endian(bytes, at + 5, 2), big_endian(bytes, at + 7, 2), bytes.size());
        if (!problem.empty()) return problem;
      }
      at += 2 + big_endian(bytes, at + 2, 2);
    } else {
      break;
    }
  }
  return format("truncated JPEG (%zu bytes, no end of image)", bytes.size());
}

// Every chunk up to IEND must be there and have the right checksum.
std::string png_problem(const std::string& bytes) {
  size_t at = 8;
  while (at + 12 <= bytes.size()) {
    const size_t length = big_endian(bytes, at, 4);
    if (length > bytes.size() - at - 12) break;
    const auto* type = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    if (crc32(crc32(0, nullptr, 0), type, static_cast<uInt>(length + 4)) != big_endian(bytes, at + 8 + length, 4)) {
      return format("damaged PNG (checksum of the chunk at offset %zu)", at);
    }
    if (bytes.compare(at + 4, 4, "IHDR") == 0 && length >= 8) {
      std::string problem = size_problem(big_endian(bytes, at + 12, 4), big_endian(bytes, at + 8, 4), bytes.size());
      if (!problem.empty()) return problem;
    }
    if (bytes.compare(at + 4, 4, "IEND") == 0) return "";
    at += 12 + length;
  }
  return format("truncated PNG (%zu bytes, no end of image)", bytes.size());
}

}  // namespace

bool is_jpeg(const std::string& bytes) { return starts_with(bytes, kJpegSignature); }

std::string image_problem(const std::string& bytes) {
  if (bytes.empty()) return "empty file (0 bytes)";
  if (is_jpeg(bytes)) return jpeg_problem(bytes);
  if (starts_with(bytes, kPngSignature)) return png_problem(bytes);
  return "";
}

}  // namespace dng::data
