// Our preparation of an image for evaluation against the host's own, so that `classifier valid` of the stock binary
// sees the same values, to a thousandth of a grey level: the host's resize rounds its coordinates in float32, as its
// compiler (-Ofast) chose.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "data/augment.h"
#include "host/host.h"
#include "tests/compare.h"
#include "tests/test_util.h"

namespace dng::test {
namespace {

struct Sizes {
  int channels, height, width;  // of the image
  int to_height, to_width;      // of the network
};

data::Image noise(const data::Geometry& shape) {
  data::Image image{shape, std::vector<uint8_t>(shape.size())};
  CounterRandom random(1, Stream::kTest, static_cast<uint64_t>(shape.height), static_cast<uint64_t>(shape.width));
  for (uint8_t& byte : image.planes) byte = static_cast<uint8_t>(random.below(256));
  return image;
}

std::vector<float> plugin(const data::Image& image, const data::Geometry& to, data::EvalCrop crop) {
  data::Augmentation augmentation;
  augmentation.eval_crop = crop;
  std::vector<float> result(to.size(), std::nanf(""));
  data::prepare_for_evaluation(image, augmentation, to, result.data());
  return result;
}

std::vector<float> hosts(const data::Image& image, const data::Geometry& to) {
  std::vector<float> planes;
  for (const uint8_t byte : image.planes) planes.push_back(static_cast<float>(byte) / 255.0f);
  return host::raw_eval_crop(planes, image.shape, to);
}

class HostCropTest : public testing::TestWithParam<Sizes> {};

TEST_P(HostCropTest, EvaluationSeesWhatTheHostSees) {
  const Sizes& s = GetParam();
  const data::Image image = noise({s.channels, s.height, s.width});
  const data::Geometry to{s.channels, s.to_height, s.to_width};
  const std::vector<float> found = plugin(image, to, host::traits().eval_crop), expected = hosts(image, to);
  ASSERT_EQ(found.size(), expected.size());
  const double error = difference_between(found.data(), expected.data(), found.size());
  EXPECT_LE(error, 1e-3 / 255);
  RecordProperty("error", format("%.2e", error));
}

INSTANTIATE_TEST_SUITE_P(Sizes, HostCropTest,
                         testing::Values(Sizes{3, 32, 32, 32, 32}, Sizes{3, 31, 47, 28, 28}, Sizes{3, 47, 31, 28, 28},
                                         Sizes{3, 64, 65, 32, 32}, Sizes{3, 65, 64, 33, 33}, Sizes{3, 20, 37, 29, 29},
                                         Sizes{3, 37, 20, 29, 29}, Sizes{3, 100, 101, 7, 7}, Sizes{1, 28, 29, 28, 28},
                                         Sizes{1, 13, 11, 17, 17}, Sizes{3, 45, 45, 32, 32}, Sizes{3, 32, 33, 32, 32}),
                         [](const auto& info) {
                           const Sizes& s = info.param;
                           return format("Image%dx%dx%dTo%dx%d", s.channels, s.height, s.width, s.to_height,
                                         s.to_width);
                         });

// The negative control: the other host's crop is another picture.
TEST(HostCrop, TheOtherHostsCropIsNotTheSame) {
  const data::Image image = noise({3, 31, 47});
  const data::Geometry to{3, 28, 28};
  const data::EvalCrop other = host::traits().eval_crop == data::EvalCrop::kResizeMin ? data::EvalCrop::kCentreSquare
                                                                                      : data::EvalCrop::kResizeMin;
  EXPECT_GT(difference_between(plugin(image, to, other).data(), hosts(image, to).data(), to.size()), 0.01);
}

}  // namespace
}  // namespace dng::test
