// A rectangle of a file, decoded by itself, is that rectangle of the whole image, whatever the file is.
#include "data/jpeg_part.h"

#include <gtest/gtest.h>

#include <cstdio>
// After cstdio, which it needs and does not include.
#include <jpeglib.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "data/image_file.h"
#include "data/pixels.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::pattern_image;

struct Format {
  int components = 3;
  int horizontal = 2, vertical = 2;  // chroma's subsampling
  bool progressive = false;
  int restart_rows = 0;
  int orientation = 1;  // EXIF's
};

// A JPEG of any kind, with libjpeg itself: OpenCV writes few of them.
std::string jpeg(const data::Image& image, const Format& format) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  const int height = image.shape.height, width = image.shape.width;
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = format.components;
  info.in_color_space = format.components == 1 ? JCS_GRAYSCALE : format.components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 85, TRUE);
  info.comp_info[0].h_samp_factor = format.components == 3 ? format.horizontal : 1;
  info.comp_info[0].v_samp_factor = format.components == 3 ? format.vertical : 1;
  info.restart_in_rows = format.restart_rows;
  if (format.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (format.orientation != 1) {
    std::string exif("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 24);
    exif += static_cast<char>(format.orientation);
    exif.append(7, '\0');
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  }
  std::vector<uint8_t> line(static_cast<size_t>(width * format.components));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < format.components; ++c) {
        const int plane = std::min(c, image.shape.channels - 1);
        line[static_cast<size_t>(x * format.components + c)] =
            image.planes[(static_cast<size_t>(plane) * height + y) * width + x];
      }
    }
    JSAMPROW row = line.data();
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return file;
}

std::vector<uint8_t> colours(const data::Part& part) {
  std::vector<uint8_t> values;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < part.height; ++y) {
      for (int x = 0; x < part.width; ++x) values.push_back(part.row(y)[4 * x + c]);
    }
  }
  return values;
}

std::vector<uint8_t> cut(const data::Image& image, const data::Rectangle& rectangle) {
  data::Part part;
  data::cut_part(image, rectangle, &part);
  return colours(part);
}

// Corners, edges, single pixels, everything, and some at random.
std::vector<data::Rectangle> rectangles(const data::Geometry& shape) {
  const int h = shape.height, w = shape.width;
  std::vector<data::Rectangle> all = {
      {0, 0, w, h}, {0, 0, 1, 1}, {w - 1, h - 1, 1, 1}, {0, h - 1, w, 1}, {w - 1, 0, 1, h}};
  CounterRandom random(1, Stream::kAugment, 0, static_cast<uint64_t>(h * 1000 + w));
  const auto below = [&](int bound) { return static_cast<int>(random.below(static_cast<uint32_t>(bound))); };
  for (int i = 0; i < 12; ++i) {
    const int x = below(w), y = below(h);
    all.push_back({x, y, 1 + below(w - x), 1 + below(h - y)});
  }
  return all;
}

class JpegPart : public testing::Test {
 protected:
  void SetUp() override { data::prepare_opencv(); }

  // Whether every rectangle was decoded without OpenCV.
  bool parts_equal_the_whole(const std::string& path, const std::string& what) {
    const std::string bytes = read_file(path, "test");
    data::Image image;
    data::decode_image_file(path, &image);
    bool directly = true;
    data::Part part;  // one for all: what an earlier rectangle leaves must not matter
    for (const data::Rectangle& rectangle : rectangles(image.shape)) {
      int asked = 0;
      const auto choose = [&](const data::Geometry& shape) {
        ++asked;
        EXPECT_EQ(shape.height, image.shape.height);
        EXPECT_EQ(shape.width, image.shape.width);
        return rectangle;
      };
      data::decode_image_part(path, choose, &part);
      EXPECT_EQ(asked, 1) << what;
      EXPECT_EQ(colours(part), cut(image, rectangle))
          << what << ": " << rectangle.width << "x" << rectangle.height << " at " << rectangle.x << "," << rectangle.y;
      directly = data::decode_jpeg_part(bytes, choose, &part) && directly;
    }
    return directly;
  }

  test::TemporaryFolder folder_;
};

TEST_F(JpegPart, IsTheSamePixelsForEverySamplingAndSize) {
  for (const auto& [horizontal, vertical] : {std::pair(1, 1), {2, 1}, {2, 2}, {1, 2}, {4, 1}, {4, 2}}) {
    for (const auto& [height, width] : {std::pair(64, 96), {75, 101}, {1, 1}, {1, 90}, {90, 1}, {17, 33}, {6, 5}}) {
      for (const bool progressive : {false, true}) {
        Format format;
        format.horizontal = horizontal;
        format.vertical = vertical;
        format.progressive = progressive;
        format.restart_rows = height > 64 ? 1 : 0;
        const std::string path = folder_.write("a.jpg", jpeg(pattern_image({3, height, width}, 1), format));
        EXPECT_TRUE(parts_equal_the_whole(path, dng::format("%dx%d, sampling %dx%d%s", height, width, horizontal,
                                                            vertical, progressive ? ", progressive" : "")));
      }
    }
  }
}

TEST_F(JpegPart, IsTheSamePixelsForPhotographs) {
  const std::vector<std::string> files = test::photographs();
  if (files.empty()) GTEST_SKIP() << "the images of ILSVRC2012 are not there";
  for (size_t i = 0; i < files.size(); i += 50) {
    EXPECT_TRUE(parts_equal_the_whole(files[i], files[i]));
    data::Image image;
    data::decode_image_file(files[i], &image);
    Format format;
    format.progressive = true;
    EXPECT_TRUE(parts_equal_the_whole(folder_.write("progressive.jpg", jpeg(image, format)), files[i]));
  }
}

TEST_F(JpegPart, GreyAndRotatedOnesAreDecodedDirectly) {
  Format grey, rotated;
  grey.components = 1;
  rotated.orientation = 6;
  EXPECT_TRUE(parts_equal_the_whole(folder_.write("g.jpg", jpeg(pattern_image({1, 40, 70}, 1), grey)), "grey"));
  EXPECT_TRUE(parts_equal_the_whole(folder_.write("t.jpg", jpeg(pattern_image({3, 40, 70}, 1), rotated)), "rotated"));
}

TEST_F(JpegPart, OpenCvDecodesTheRest) {
  Format cmyk;
  cmyk.components = 4;
  EXPECT_FALSE(parts_equal_the_whole(folder_.write("c.jpg", jpeg(pattern_image({3, 40, 70}, 1), cmyk)), "CMYK"));
  const std::string png = folder_.file("a.png");
  test::write_image(png, pattern_image({3, 40, 70}, 1));
  EXPECT_FALSE(parts_equal_the_whole(png, "PNG"));
}

TEST_F(JpegPart, IsRefusedForTheSameDamageAsTheWhole) {
  // A byte exchanged anywhere: refused with the same words, or the same pixels. The rectangle lies at the top, most of
  // the damage below it.
  const std::string good = jpeg(pattern_image({3, 75, 101}, 1), Format());
  const data::Rectangle rectangle = {10, 5, 20, 16};
  const auto words_of = [&](const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  int refused = 0, decoded = 0;
  for (size_t at = 2; at < good.size(); at += 3) {
    for (const int change : {0xff, 0x55}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      const std::string path = folder_.write("b.jpg", bytes);
      data::Image image;
      data::Part part;
      const std::string expected = words_of([&] { data::decode_image_file(path, &image); });
      const bool fits = expected.empty() && image.shape.height >= 21 && image.shape.width >= 30;
      if (expected.empty() && !fits) continue;  // the size itself was exchanged
      const auto choose = [&](const data::Geometry& shape) {
        const bool large = shape.height >= 21 && shape.width >= 30;
        return large ? rectangle : data::Rectangle{0, 0, 1, 1};
      };
      ASSERT_EQ(words_of([&] { data::decode_image_part(path, choose, &part); }), expected) << at;
      if (expected.empty()) {
        ASSERT_EQ(colours(part), cut(image, rectangle)) << at;
      }
      (expected.empty() ? decoded : refused) += 1;
    }
  }
  EXPECT_GT(refused, 150);
  EXPECT_GT(decoded, 20);
}

}  // namespace
}  // namespace dng
