#include "data/image_file.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <mutex>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <streambuf>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/image_check.h"
#include "data/jpeg_part.h"
#include "data/planes.h"

namespace dng::data {
namespace {

// libjpeg, libpng and OpenCV write warnings and errors to stderr, libjpeg even where it continues with made-up pixels.
// While a thread decodes, its output to stderr goes here instead.
thread_local std::string* decoder_messages = nullptr;

ssize_t write_stderr(void*, const char* data, size_t size) {
  if (decoder_messages == nullptr) return write(STDERR_FILENO, data, size);
  decoder_messages->append(data, size);
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

void redirect_stderr() {
  std::FILE* file = fopencookie(nullptr, "w", {nullptr, write_stderr, nullptr, nullptr});
  if (file == nullptr) return;
  std::setvbuf(file, nullptr, _IONBF, 0);
  stderr = file;
  std::cerr.rdbuf(new StderrBuffer);  // for the rest of the program
}

class StderrCapture {
 public:
  explicit StderrCapture(std::string* messages) { decoder_messages = messages; }
  ~StderrCapture() { decoder_messages = nullptr; }
  StderrCapture(const StderrCapture&) = delete;
  StderrCapture& operator=(const StderrCapture&) = delete;
};

// libjpeg's warnings about missing or wrong pixels; others ("extraneous bytes") concern whole images.
bool reports_damaged_jpeg(const std::string& messages) {
  for (const char* part : {"premature end", "Premature end", "bad Huffman", "bad arithmetic", "instead of RST"}) {
    if (messages.find(part) != std::string::npos) return true;
  }
  return false;
}

// Blue, green, red. Throws Error where the bytes are no image.
cv::Mat decode_with_opencv(const std::string& path, const std::string& bytes) {
  cv::Mat decoded;
  std::string messages;
  try {
    const StderrCapture capture(&messages);
    const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    decoded = cv::imdecode(raw, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    decoded.release();
  }
  // OpenCV's own messages name its source lines only.
  const bool usable = !messages.empty() && !starts_with(messages, "imdecode");
  const std::string reason = usable ? ": " + quoted(trim(messages.substr(0, messages.find('\n')))) : "";
  if (is_jpeg(bytes) && reports_damaged_jpeg(messages)) {
    fail("%s: image cannot be decoded: damaged JPEG%s; get the file again or take it out of the list", path.c_str(),
         reason.c_str());
  }
  if (decoded.empty() || decoded.type() != CV_8UC3) {
    fail(
        "%s: image cannot be decoded (%zu bytes): damaged, or none of OpenCV's formats%s; get the file again or take "
        "it out of the list",
        path.c_str(), bytes.size(), reason.c_str());
  }
  return decoded;
}

std::string read_image_file(const std::string& path) {
  prepare_opencv();
  std::string bytes = read_file(path, "image");
  const std::string problem = image_problem(bytes);
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
    redirect_stderr();
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::setNumThreads(0);
  });
}

void decode_image_file(const std::string& path, Image* image) {
  const cv::Mat decoded = decode_with_opencv(path, read_image_file(path));
  image->shape = {3, decoded.rows, decoded.cols};
  image->planes.resize(image->shape.size());
  // OpenCV has blue first.
  cv::Mat planes[3] = {plane_of(*image, 2), plane_of(*image, 1), plane_of(*image, 0)};
  cv::split(decoded, planes);
}

std::string encode_png(const Image& image) {
  std::vector<cv::Mat> planes;
  // OpenCV has blue first.
  for (int c = image.shape.channels; c-- > 0;) planes.push_back(plane_of(image, c));
  cv::Mat pixels;
  cv::merge(planes, pixels);
  std::vector<unsigned char> png;
  cv::imencode(".png", pixels, png);
  return {png.begin(), png.end()};
}

void decode_image_part(const std::string& path, const ChooseRectangle& choose, Part* part) {
  const std::string bytes = read_image_file(path);
  Rectangle rectangle;  // drawn at random, so chosen once, whichever decoder reads it
  const auto choose_once = [&](const Geometry& shape) {
    if (rectangle.width == 0) rectangle = choose(shape);
    return rectangle;
  };
  if (is_jpeg(bytes) && decode_jpeg_part(bytes, choose_once, part)) return;
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
