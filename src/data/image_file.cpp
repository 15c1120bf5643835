#include "data/image_file.h"

#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <iostream>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <streambuf>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/jpeg_part.h"

namespace dng::data {
namespace {

const char* const kJpegSignature = "\xff\xd8";
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
  if (starts_with(bytes, kJpegSignature) && !jpeg_is_complete(bytes)) {
    return format("truncated JPEG (%zu bytes, no end of image)", bytes.size());
  }
  if (starts_with(bytes, kPngSignature)) return png_problem(bytes);
  return "";
}

// libjpeg, libpng and OpenCV write to stderr what they dislike about an image, libjpeg even where it goes on and makes
// pixels up. While a thread decodes, what it writes there is kept here instead.
thread_local std::string* decoder_words = nullptr;

ssize_t write_stderr(void*, const char* data, size_t size) {
  if (decoder_words == nullptr) return write(STDERR_FILENO, data, size);
  decoder_words->append(data, size);
  return static_cast<ssize_t>(size);
}

class StderrBuffer final : public std::streambuf {
 protected:
  int_type overflow(int_type character) override {
    const char byte = traits_type::to_char_type(character);
    return write_stderr(nullptr, &byte, 1) == 1 ? character : traits_type::eof();
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    return write_stderr(nullptr, data, static_cast<size_t>(size));
  }
};

void listen_to_decoders() {
  std::FILE* file = fopencookie(nullptr, "w", {nullptr, write_stderr, nullptr, nullptr});
  if (file == nullptr) return;
  std::setvbuf(file, nullptr, _IONBF, 0);
  stderr = file;
  std::cerr.rdbuf(new StderrBuffer);  // for the rest of the program
}

class Listening {
 public:
  explicit Listening(std::string* words) { decoder_words = words; }
  ~Listening() { decoder_words = nullptr; }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
};

// libjpeg's words about pixels that are missing or wrong; others ("extraneous bytes") are about whole images.
bool tells_of_damaged_jpeg(const std::string& words) {
  for (const char* part : {"premature end", "Premature end", "bad Huffman", "bad arithmetic", "instead of RST"}) {
    if (words.find(part) != std::string::npos) return true;
  }
  return false;
}

// Blue, green, red. Throws Error where the bytes are no image.
cv::Mat decode_with_opencv(const std::string& path, const std::string& bytes) {
  cv::Mat decoded;
  std::string words;
  try {
    const Listening listening(&words);
    const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    decoded = cv::imdecode(raw, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    decoded.release();
  }
  // OpenCV's own words name its source lines only.
  const bool reason = !words.empty() && !starts_with(words, "imdecode");
  const std::string first_words = reason ? ": " + quoted(trim(words.substr(0, words.find('\n')))) : "";
  if (starts_with(bytes, kJpegSignature) && tells_of_damaged_jpeg(words)) {
    fail("%s: image cannot be decoded: damaged JPEG%s; get the file again or take it out of the list", path.c_str(),
         first_words.c_str());
  }
  if (decoded.empty() || decoded.type() != CV_8UC3) {
    fail(
        "%s: image cannot be decoded (%zu bytes): damaged, or none of OpenCV's formats%s; get the file again or take "
        "it out of the list",
        path.c_str(), bytes.size(), first_words.c_str());
  }
  return decoded;
}

std::string read_image_file(const std::string& path) {
  std::string bytes = read_file(path, "image");
  const std::string problem = file_problem(bytes);
  if (!problem.empty()) {
    fail("%s: image cannot be decoded: %s; get the file again or take it out of the list", path.c_str(),
         problem.c_str());
  }
  return bytes;
}

}  // namespace

void prepare_opencv() {
  static std::once_flag once;
  std::call_once(once, [] {
    listen_to_decoders();
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::setNumThreads(0);
  });
}

void decode_image_file(const std::string& path, Image* image) {
  const cv::Mat decoded = decode_with_opencv(path, read_image_file(path));
  image->shape = {3, decoded.rows, decoded.cols};
  image->planes.resize(image->shape.size());
  // OpenCV has blue first.
  const size_t plane = static_cast<size_t>(decoded.rows) * decoded.cols;
  cv::Mat planes[3];
  for (size_t c = 0; c < 3; ++c) {
    planes[c] = cv::Mat(decoded.rows, decoded.cols, CV_8UC1, image->planes.data() + (2 - c) * plane);
  }
  cv::split(decoded, planes);
}

std::string encode_png(const Image& image) {
  const int height = image.shape.height, width = image.shape.width;
  const size_t plane = static_cast<size_t>(height) * width;
  std::vector<cv::Mat> planes;
  // OpenCV has blue first.
  for (size_t c = static_cast<size_t>(image.shape.channels); c-- > 0;) {
    planes.emplace_back(height, width, CV_8UC1, const_cast<uint8_t*>(image.planes.data() + c * plane));
  }
  cv::Mat pixels;
  cv::merge(planes, pixels);
  std::vector<unsigned char> png;
  cv::imencode(".png", pixels, png);
  return {png.begin(), png.end()};
}

void decode_image_part(const std::string& path, const ChooseRectangle& choose, Part* part) {
  const std::string bytes = read_image_file(path);
  Rectangle rectangle;  // drawn at random: whichever way decodes, the choice is made once
  const auto choose_once = [&](const Geometry& shape) {
    if (rectangle.width == 0) rectangle = choose(shape);
    return rectangle;
  };
  if (starts_with(bytes, kJpegSignature) && decode_jpeg_part(bytes, choose_once, part)) return;
  const cv::Mat decoded = decode_with_opencv(path, bytes);
  choose_once({3, decoded.rows, decoded.cols});
  part->reserve(rectangle.height, rectangle.width);
  part->height = rectangle.height;
  part->width = rectangle.width;
  cv::Mat pixels(rectangle.height, rectangle.width, CV_8UC4, part->bytes.data());
  cv::cvtColor(decoded(cv::Rect(rectangle.x, rectangle.y, rectangle.width, rectangle.height)), pixels,
               cv::COLOR_BGR2RGBA);
}

}  // namespace dng::data
