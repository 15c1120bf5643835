// Images that would cost seconds and gigabytes, or come out wrong, are refused with one line.
#include "data/image_check.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/augment.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;

const std::string kScan("\xff\xda\0\x08\x01\x01\0\0\x3f\0", 10);

std::string jpeg(int height, int width, int scans) {
  const std::string sides = test::big_endian_32(static_cast<uint32_t>(height << 16 | width));
  std::string bytes = std::string("\xff\xd8\xff\xc0\0\x0b\x08", 7) + sides + std::string("\x01\x01\x11\0", 4);
  for (int i = 0; i < scans; ++i) bytes += kScan;
  return bytes + "\xff\xd9";
}

TEST(ImageCheck, FewBytesCannotHoldManyPixels) {
  EXPECT_EQ(data::image_problem(jpeg(400, 500, 1)), "");
  EXPECT_EQ(data::image_problem(jpeg(32000, 30000, 1)),
            "damaged header (30000x32000 pixels in 27 bytes; allowed: 8256 a byte)");
}

// A file of one megabyte could have 10^5 of them, each of which passes over all pixels.
TEST(ImageCheck, ScansAreLimited) {
  EXPECT_EQ(data::image_problem(jpeg(8, 8, 100)), "");
  EXPECT_EQ(data::image_problem(jpeg(8, 8, 101)), "JPEG of 101 scans; allowed: 100");
}

TEST(ImageCheck, ALineOfPixelsIsNotResizedToGigabytes) {
  const data::Geometry input = {1, 224, 224};
  std::vector<float> values(input.size());
  data::Augmentation augmentation;
  augmentation.valid_resize = 256;
  const auto prepare = [&](int width) {
    data::prepare_for_evaluation(test::pattern_image({1, 1, width}, 1), augmentation, input, values.data());
  };
  prepare(1000);
  expect_error([&] { prepare(60000); }, {"image of 1x60000", "3932160000 pixels", "allowed: 268435456"});
}

TEST(ImageCheck, DarknetsAugmentationHasLimitedSides) {
  const data::Geometry input = {1, 8, 8};
  std::vector<float> values(input.size());
  const auto augment = [&](int width) {
    CounterRandom random(1, Stream::kTest, 0, 0);
    data::augment_for_training(test::pattern_image({1, 8, width}, 1), {}, input, &random, values.data());
  };
  augment(32766);
  expect_error([&] { augment(32767); }, {"image of 8x32767", "allowed: 32766"});
}

}  // namespace
}  // namespace dng
