#include "data/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "data/pixels.h"
#include "data/resize.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;
using test::pattern_image;

using Sample = std::vector<float>;

CounterRandom generator(int sample) { return {1, Stream::kAugment, 0, static_cast<uint64_t>(sample)}; }

Sample train(const data::Image& image, const data::Augmentation& augmentation, const data::Geometry& geometry,
             int sample) {
  Sample out(geometry.size(), -1.0f);
  CounterRandom random = generator(sample);
  data::augment_for_training(image, augmentation, geometry, &random, out.data());
  return out;
}

Sample evaluate(const data::Image& image, const data::Augmentation& augmentation, const data::Geometry& geometry) {
  Sample out(geometry.size(), -1.0f);
  data::prepare_for_evaluation(image, augmentation, geometry, out.data());
  return out;
}

float value_at(const data::Image& image, int c, int y, int x) {
  if (y < 0 || x < 0 || y >= image.shape.height || x >= image.shape.width) return 0;
  const size_t at = (static_cast<size_t>(c) * image.shape.height + y) * image.shape.width + x;
  return static_cast<float>(image.planes[at] / 255.);
}

// The window at (top, left), pixel by pixel.
Sample window_of(const data::Image& image, const data::Geometry& geometry, int top, int left, bool mirror) {
  Sample out;
  for (int c = 0; c < geometry.channels; ++c) {
    for (int y = 0; y < geometry.height; ++y) {
      for (int x = 0; x < geometry.width; ++x) {
        out.push_back(value_at(image, c, y + top, left + (mirror ? geometry.width - 1 - x : x)));
      }
    }
  }
  return out;
}

Sample copy_of(const data::Image& image) { return window_of(image, image.shape, 0, 0, false); }

data::Image from_function(const data::Geometry& shape, const std::function<double(int, int, int)>& value) {
  data::Image image;
  image.shape = shape;
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x) image.planes.push_back(static_cast<uint8_t>(std::lround(value(c, y, x))));
    }
  }
  return image;
}

data::Augmentation padded(int pad, bool mirror) {
  data::Augmentation augmentation;
  augmentation.own = true;
  augmentation.pad = pad;
  augmentation.mirror = mirror;
  return augmentation;
}

data::Augmentation resized_crops() {
  data::Augmentation augmentation;
  augmentation.own = true;
  augmentation.random_resized_crop = true;
  return augmentation;
}

data::Augmentation neutral_host() {
  data::Augmentation augmentation;
  augmentation.flip = false;
  return augmentation;
}

TEST(PaddedCrop, EverySampleIsAWindowOfThePaddedImage) {
  for (const data::Geometry& geometry : {data::Geometry{3, 8, 8}, data::Geometry{3, 5, 9}, data::Geometry{3, 14, 3}}) {
    const data::Image image = pattern_image({3, 8, 8}, 1);
    for (int sample = 0; sample < 200; ++sample) {
      CounterRandom random = generator(sample);
      const int top = static_cast<int>(random.below(static_cast<uint32_t>(8 + 6 - geometry.height + 1))) - 3;
      const int left = static_cast<int>(random.below(static_cast<uint32_t>(8 + 6 - geometry.width + 1))) - 3;
      const bool mirror = random.below(2) != 0;
      ASSERT_EQ(train(image, padded(3, true), geometry, sample), window_of(image, geometry, top, left, mirror));
    }
  }
}

TEST(PaddedCrop, EveryOffsetAndBothSidesAreDrawnEquallyOften) {
  // One bright pixel in the middle: where it lands tells offset and side.
  const data::Image image = from_function({1, 8, 8}, [](int, int y, int x) { return y == 3 && x == 4 ? 255 : 0; });
  const int draws = 9000;
  int rows[8] = {}, columns[8] = {};
  for (int sample = 0; sample < draws; ++sample) {
    const Sample out = train(image, padded(1, true), {1, 8, 8}, sample);
    const auto at = std::find(out.begin(), out.end(), 1.0f) - out.begin();
    ASSERT_LT(at, 64);
    ++rows[at / 8];
    ++columns[at % 8];
  }
  // Rows 2, 3, 4; columns 3, 4, 5, mirrored 4, 3, 2.
  for (int y = 0; y < 8; ++y) EXPECT_NEAR(rows[y], y >= 2 && y <= 4 ? draws / 3 : 0, y >= 2 && y <= 4 ? 225 : 0) << y;
  const int expected[8] = {0, 0, draws / 6, draws / 3, draws / 3, draws / 6, 0, 0};
  for (int x = 0; x < 8; ++x) EXPECT_NEAR(columns[x], expected[x], expected[x] > 0 ? 225 : 0) << x;
}

TEST(PaddedCrop, WithoutPaddingAndMirrorItIsACopy) {
  const data::Image image = pattern_image({3, 8, 8}, 1);
  EXPECT_EQ(train(image, padded(0, false), image.shape, 5), copy_of(image));
}

TEST(PaddedCrop, TooSmallImagesAreRefused) {
  const data::Image image = pattern_image({3, 8, 8}, 1);
  expect_error(
      [&] {
        train(image, padded(1, false), {3, 11, 10}, 0);
      },
      {"8x8", "pad = 1", "11x10", "random_resized_crop"});
  EXPECT_EQ(train(image, padded(1, false), {3, 10, 10}, 0).size(), 300u);
}

TEST(Augmentation, SamplesDependOnTheirGeneratorAlone) {
  const data::Image image = pattern_image({3, 40, 30}, 1);
  data::Augmentation host;
  host.angle = 10;
  host.hue = .1;
  host.saturation = host.exposure = 1.5;
  for (const data::Augmentation& augmentation : {padded(4, true), resized_crops(), host}) {
    std::set<Sample> different;
    for (int sample = 0; sample < 20; ++sample) {
      const Sample out = train(image, augmentation, {3, 16, 16}, sample);
      EXPECT_EQ(out, train(image, augmentation, {3, 16, 16}, sample));
      different.insert(out);
    }
    EXPECT_GE(different.size(), 19u);
  }
}

TEST(Normalisation, IsMeanAndStdOfTheChannelAfterPadding) {
  data::Augmentation augmentation = padded(2, false);
  augmentation.mean = {.25f, .5f, .75f};
  augmentation.std = {.5f, .25f, 2.0f};
  const data::Image image = pattern_image({3, 8, 8}, 1);
  const Sample plain = train(image, padded(2, false), image.shape, 3), out = train(image, augmentation, image.shape, 3);
  EXPECT_NE(std::count(plain.begin(), plain.end(), 0.0f), 0);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t c = i / 64;
    ASSERT_EQ(out[i], (plain[i] - augmentation.mean[c]) / augmentation.std[c]) << i;
  }
}

TEST(Normalisation, IsTheSameInEveryWay) {
  data::Augmentation own = padded(0, false), host = neutral_host();
  own.mean = host.mean = {.1f, .2f, .3f};
  own.std = host.std = {.3f, .6f, .7f};
  const data::Image image = pattern_image({3, 8, 8}, 1);
  const Sample expected = train(image, own, image.shape, 0);
  EXPECT_NE(expected, copy_of(image));
  EXPECT_EQ(train(image, host, image.shape, 0), expected);
  EXPECT_EQ(evaluate(image, own, image.shape), expected);
}

TEST(Channels, GreyNetworksGetWeightedColours) {
  const data::Image image = from_function({3, 2, 2}, [](int c, int, int) { return c == 0 ? 200 : c == 1 ? 100 : 50; });
  const Sample out = evaluate(image, data::Augmentation(), {1, 2, 2});
  for (const float value : out) EXPECT_NEAR(value * 255, .299 * 200 + .587 * 100 + .114 * 50, .51);
}

TEST(Channels, ColourNetworksGetGreyThreeTimes) {
  const data::Image image = pattern_image({1, 4, 4}, 1);
  const Sample grey = evaluate(image, data::Augmentation(), {1, 4, 4}),
               out = evaluate(image, data::Augmentation(), {3, 4, 4});
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], grey[i % 16]);
  const Sample trained = train(image, padded(0, false), {3, 4, 4}, 0);
  EXPECT_EQ(trained, out);
}

TEST(Channels, OtherNumbersAreRefused) {
  const data::Image image = pattern_image({2, 4, 4}, 1);
  expect_error([&] { evaluate(image, data::Augmentation(), {3, 4, 4}); }, {"2 channels", "network 3"});
}

TEST(RandomResizedCrop, KeepsAConstantImageAndFillsTheNetwork) {
  const data::Image image = from_function({3, 50, 70}, [](int c, int, int) { return 40 + 60 * c; });
  for (int sample = 0; sample < 50; ++sample) {
    const Sample out = train(image, resized_crops(), {3, 24, 24}, sample);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t byte = 40 + 60 * (i / 576);
      ASSERT_EQ(out[i], static_cast<float>(byte / 255.));
    }
  }
}

TEST(RandomResizedCrop, AreaAndAspectAreThoseOfTheRecipe) {
  // On a ramp the output's slopes tell how large the crop was.
  const int side = 200;
  const data::Image across = from_function({1, side, side}, [](int, int, int x) { return x; });
  const data::Image down = from_function({1, side, side}, [](int, int y, int) { return y; });
  const int draws = 2000, out_side = 20;
  double area_sum = 0;
  for (int sample = 0; sample < draws; ++sample) {
    const data::Geometry geometry = {1, out_side, out_side};
    const Sample a = train(across, resized_crops(), geometry, sample),
                 b = train(down, resized_crops(), geometry, sample);
    const double per_pixel = 255.0 / (out_side - 3);
    const double width = (a[out_side - 2] - a[1]) * per_pixel * out_side;
    const double height = (b[out_side * (out_side - 2)] - b[out_side]) * per_pixel * out_side;
    const double area = width * height / (side * side), aspect = width / height;
    ASSERT_GT(area, .08 * .93);
    ASSERT_LT(area, 1.02);
    ASSERT_GT(aspect, .75 * .93);
    ASSERT_LT(aspect, 4 / 3. * 1.07);
    area_sum += area;
  }
  // Areas above 3/4 fit the less often the larger they are: the mean of what fits is 0.478, not (1 + 0.08) / 2.
  EXPECT_NEAR(area_sum / draws, .478, .02);
}

TEST(RandomResizedCrop, LongImagesFallBackToTheirCentre) {
  // No crop of 8 % of the area is within the limits of aspect.
  const auto bright = [](int i) { return i >= 190 && i < 210 ? 255 : 10; };
  const data::Image wide = from_function({1, 4, 400}, [&](int, int, int x) { return bright(x); });
  const data::Image tall = from_function({1, 400, 4}, [&](int, int y, int) { return bright(y); });
  for (int sample = 0; sample < 50; ++sample) {
    EXPECT_EQ(train(wide, resized_crops(), {1, 4, 4}, sample), Sample(16, 1.0f));
    EXPECT_EQ(train(tall, resized_crops(), {1, 4, 4}, sample), Sample(16, 1.0f));
  }
}

TEST(HostAugmentation, NeutralKeysLeaveACopyOrItsMirrorImage) {
  const data::Image image = pattern_image({3, 9, 9}, 1);
  const Sample copy = copy_of(image), mirrored = window_of(image, image.shape, 0, 0, true);
  int mirrors = 0;
  const int draws = 1000;
  for (int sample = 0; sample < draws; ++sample) {
    ASSERT_EQ(train(image, neutral_host(), image.shape, sample), copy);
    const Sample out = train(image, data::Augmentation(), image.shape, sample);
    ASSERT_TRUE(out == copy || out == mirrored);
    mirrors += out == mirrored ? 1 : 0;
  }
  EXPECT_NEAR(mirrors, draws / 2., 80);
}

// What the host's formula samples, for draws made in the documented order.
Sample host_reference(const std::function<double(double, double)>& value, const data::Geometry& shape,
                      const data::Augmentation& augmentation, const data::Geometry& geometry, int sample) {
  CounterRandom random = generator(sample);
  const auto factor = [&](double limit) {
    const double f = random.uniform(1, limit);
    return random.below(2) != 0 ? f : 1 / f;
  };
  const double aspect = factor(augmentation.aspect);
  const int length =
      augmentation.min_crop +
      static_cast<int>(random.below(static_cast<uint32_t>(augmentation.max_crop - augmentation.min_crop + 1)));
  const int shorter = static_cast<int>(std::min<double>(shape.height, shape.width * aspect));
  const double scale = static_cast<double>(length) / shorter;
  const double angle = random.uniform(-augmentation.angle, augmentation.angle) * std::acos(-1.0) / 180;
  const double dx_limit = (shape.width * scale / aspect - geometry.width) / 2;
  const double dx = random.uniform(-dx_limit, dx_limit);
  const double dy_limit = (shape.height * scale - geometry.height) / 2;
  const double dy = random.uniform(-dy_limit, dy_limit);
  Sample out;
  for (int y = 0; y < geometry.height; ++y) {
    for (int x = 0; x < geometry.width; ++x) {
      const double u = (x - geometry.width / 2.) / scale * aspect + dx / scale * aspect;
      const double v = (y - geometry.height / 2.) / scale + dy / scale;
      const double rx = std::cos(angle) * u - std::sin(angle) * v + shape.width / 2.;
      const double ry = std::sin(angle) * u + std::cos(angle) * v + shape.height / 2.;
      const bool inside = rx >= 0 && ry >= 0 && rx <= shape.width - 1 && ry <= shape.height - 1;
      const bool outside = rx <= -1 || ry <= -1 || rx >= shape.width || ry >= shape.height;
      out.push_back(inside ? static_cast<float>(value(ry, rx)) : outside ? 0.0f : -1.0f);
    }
  }
  return out;
}

TEST(HostAugmentation, PlacesPixelsByTheHostsFormula) {
  // Bilinear sampling of a plane is exact, so any other placement shows.
  const data::Geometry shape = {1, 60, 80}, geometry = {1, 32, 32};
  const data::Image image = from_function(shape, [](int, int y, int x) { return 2 * x + y + 10; });
  const auto plane = [](double y, double x) { return (2 * x + y + 10) / 255; };
  data::Augmentation augmentation = neutral_host();
  augmentation.angle = 20;
  augmentation.aspect = 1.5;
  augmentation.min_crop = 32;
  augmentation.max_crop = 48;
  data::Augmentation wrong = augmentation;
  wrong.angle = -20;
  // OpenCV samples at multiples of 1/32 pixel.
  const double tolerance = 3.0 / 32 / 255 + 1e-5;
  int compared = 0, outside = 0, wrong_differs = 0;
  for (int sample = 0; sample < 100; ++sample) {
    const Sample out = train(image, augmentation, geometry, sample);
    const Sample expected = host_reference(plane, shape, augmentation, geometry, sample);
    const Sample other = host_reference(plane, shape, wrong, geometry, sample);
    for (size_t i = 0; i < out.size(); ++i) {
      if (expected[i] < 0) continue;  // half outside
      ASSERT_NEAR(out[i], expected[i], tolerance) << sample << " " << i;
      ++compared;
      outside += expected[i] == 0 ? 1 : 0;
      if (other[i] >= 0 && std::abs(other[i] - expected[i]) > 10 * tolerance) ++wrong_differs;
    }
  }
  EXPECT_GT(compared, 90000);
  EXPECT_GT(outside, 100);
  EXPECT_GT(wrong_differs, 10000);
}

TEST(HostAugmentation, CropLengthOfZeroIsTheNetworksWidth) {
  const data::Image image = pattern_image({3, 64, 64}, 1);
  data::Augmentation explicit_lengths = neutral_host();
  explicit_lengths.min_crop = explicit_lengths.max_crop = 32;
  for (int sample = 0; sample < 5; ++sample) {
    EXPECT_EQ(train(image, neutral_host(), {3, 32, 32}, sample), train(image, explicit_lengths, {3, 32, 32}, sample));
  }
}

TEST(HostAugmentation, ExposureScalesAllColoursAlike) {
  const data::Image image = from_function({3, 4, 4}, [](int c, int y, int x) { return 20 + 10 * c + 3 * y + x; });
  data::Augmentation augmentation = neutral_host();
  augmentation.exposure = 1.5;
  double low = 9, high = 0;
  for (int sample = 0; sample < 300; ++sample) {
    const Sample in = copy_of(image), out = train(image, augmentation, image.shape, sample);
    const double factor = out[0] / in[0];
    low = std::min(low, factor);
    high = std::max(high, factor);
    for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], in[i] * factor, 1e-5);
  }
  EXPECT_GT(low, 1 / 1.5 - 1e-4);
  EXPECT_LT(low, .7);
  EXPECT_LT(high, 1.5 + 1e-4);
  EXPECT_GT(high, 1.4);
}

TEST(HostAugmentation, GreyImagesChangeInExposureOnly) {
  const data::Image image = pattern_image({1, 4, 4}, 1);
  data::Augmentation colours = neutral_host();
  colours.hue = .3;
  colours.saturation = 2;
  EXPECT_EQ(train(image, colours, image.shape, 1), copy_of(image));
  colours.exposure = 2;
  EXPECT_NE(train(image, colours, image.shape, 1), copy_of(image));
}

TEST(HostAugmentation, HueTurnsColoursAndKeepsTheirRange) {
  const data::Image image = from_function({3, 4, 4}, [](int c, int y, int x) { return 40 + 60 * c + 3 * y + x; });
  data::Augmentation augmentation = neutral_host();
  augmentation.hue = .5;
  int rotated = 0;
  for (int sample = 0; sample < 100; ++sample) {
    const Sample in = copy_of(image), out = train(image, augmentation, image.shape, sample);
    for (size_t i = 0; i < 16; ++i) {
      const auto [in_low, in_high] = std::minmax({in[i], in[i + 16], in[i + 32]});
      const auto [low, high] = std::minmax({out[i], out[i + 16], out[i + 32]});
      ASSERT_NEAR(low, in_low, 1e-5);
      ASSERT_NEAR(high, in_high, 1e-5);
    }
    rotated += std::abs(out[0] - in[0]) > .1 ? 1 : 0;
  }
  EXPECT_GT(rotated, 30);
  EXPECT_LT(rotated, 100);
}

TEST(HostAugmentation, HueIsDrawnInTurns) {
  const data::Image red = from_function({3, 1, 1}, [](int c, int, int) { return c == 0 ? 255 : 0; });
  data::Augmentation augmentation = neutral_host();
  augmentation.hue = 1 / 6.;
  // A sixth of a turn leads from red to yellow, or back to magenta; in between, the second colour rises linearly.
  float most_green = 0, most_blue = 0;
  for (int sample = 0; sample < 2000; ++sample) {
    const Sample out = train(red, augmentation, red.shape, sample);
    ASSERT_EQ(out[0], 1.0f);
    ASSERT_NEAR(std::min(out[1], out[2]), 0, 1e-5);
    most_green = std::max(most_green, out[1]);
    most_blue = std::max(most_blue, out[2]);
  }
  EXPECT_NEAR(most_green, 1, .01);
  EXPECT_NEAR(most_blue, 1, .01);
  augmentation.hue = 1 / 12.;
  for (int sample = 0; sample < 200; ++sample) {
    const Sample out = train(red, augmentation, red.shape, sample);
    ASSERT_LE(std::max(out[1], out[2]), .5 + 1e-5);
  }
}

TEST(HostAugmentation, SaturationScalesTheDistanceFromTheBrightestColour) {
  const data::Image image = from_function({3, 4, 4}, [](int c, int, int) { return 100 + 20 * c; });
  data::Augmentation augmentation = neutral_host();
  augmentation.saturation = 1.5;
  const Sample in = copy_of(image);
  double low = 9, high = 0;
  for (int sample = 0; sample < 200; ++sample) {
    const Sample out = train(image, augmentation, image.shape, sample);
    ASSERT_NEAR(out[32], in[32], 1e-5);
    const double factor = (out[32] - out[0]) / (in[32] - in[0]);
    ASSERT_NEAR(out[32] - out[16], (in[32] - in[16]) * factor, 1e-4);
    low = std::min(low, factor);
    high = std::max(high, factor);
  }
  EXPECT_GT(low, 1 / 1.5 - 1e-3);
  EXPECT_LT(low, .75);
  EXPECT_LT(high, 1.5 + 1e-3);
  EXPECT_GT(high, 1.35);
}

TEST(HostAugmentation, ValuesStayWithinTheUnit) {
  const data::Image image = pattern_image({3, 16, 16}, 1);
  data::Augmentation augmentation;
  augmentation.exposure = 3;
  augmentation.saturation = 3;
  augmentation.hue = .5;
  bool clipped = false;
  for (int sample = 0; sample < 50; ++sample) {
    for (const float value : train(image, augmentation, image.shape, sample)) {
      ASSERT_GE(value, 0.0f);
      ASSERT_LE(value, 1.0f);
      clipped = clipped || value == 1.0f;
    }
  }
  EXPECT_TRUE(clipped);
}

TEST(AlignedResize, KeepsCornersAndInterpolatesBetween) {
  const float in[3] = {0, 10, 20};
  Sample out(5);
  data::resize_aligned(in, 1, 3, out.data(), 1, 5);
  EXPECT_EQ(out, (Sample{0, 5, 10, 15, 20}));
  data::resize_aligned(in, 3, 1, out.data(), 5, 1);
  EXPECT_EQ(out, (Sample{0, 5, 10, 15, 20}));
  out.resize(2);
  data::resize_aligned(in, 1, 3, out.data(), 1, 2);
  EXPECT_EQ(out, (Sample{0, 20}));
}

TEST(AlignedResize, SameSizeIsACopy) {
  const Sample in = copy_of(pattern_image({1, 7, 11}, 1));
  Sample out(in.size());
  data::resize_aligned(in.data(), 7, 11, out.data(), 7, 11);
  EXPECT_EQ(out, in);
}

TEST(AlignedResize, PlanesStayPlanes) {
  Sample in;
  for (int y = 0; y < 37; ++y) {
    for (int x = 0; x < 53; ++x) in.push_back(static_cast<float>(3 * y + 2 * x + y * x));
  }
  Sample out(20 * 30);
  data::resize_aligned(in.data(), 37, 53, out.data(), 20, 30);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 30; ++x) {
      const double v = y * 36. / 19, u = x * 52. / 29;
      ASSERT_NEAR(out[static_cast<size_t>(y * 30 + x)], 3 * v + 2 * u + u * v, 1e-2) << y << " " << x;
    }
  }
}

TEST(AlignedResize, LastRowIsNeverLost) {
  // Darknet's own resize leaves the last row black for 22 of these heights, 228 among them.
  for (int height = 224; height < 600; ++height) {
    const Sample in(static_cast<size_t>(height), 1.0f);
    Sample out(224);
    data::resize_aligned(in.data(), height, 1, out.data(), 224, 1);
    for (const float value : out) ASSERT_NEAR(value, 1.0f, 1e-6) << height;
  }
}

TEST(AlignedResize, SingleRowsAndColumnsWork) {
  const float in[4] = {1, 2, 3, 4};
  Sample out(1);
  data::resize_aligned(in, 2, 2, out.data(), 1, 1);
  EXPECT_EQ(out[0], 4);  // the last pixel, as in Darknet
  out.resize(6);
  data::resize_aligned(in, 1, 1, out.data(), 2, 3);
  EXPECT_EQ(out, Sample(6, 1.0f));
}

TEST(Frame, EvaluationsTakeItsCentre) {
  const data::Image image = pattern_image({3, 9, 8}, 1);
  data::Augmentation augmentation;
  augmentation.frame = image.shape;
  augmentation.crop_flip = true;
  const data::Geometry geometry = {3, 6, 5};
  EXPECT_EQ(evaluate(image, augmentation, geometry), window_of(image, geometry, 1, 1, false));
  // An image of another size fills the frame, not the network's input.
  const data::Image small = pattern_image({3, 6, 5}, 2);
  EXPECT_NE(evaluate(small, augmentation, geometry), copy_of(small));
}

TEST(Frame, TrainingDrawsEveryPlaceAndBothSides) {
  const data::Image image = pattern_image({3, 7, 7}, 3);
  data::Augmentation augmentation;
  augmentation.own = true;
  augmentation.frame = image.shape;
  augmentation.crop_flip = true;
  augmentation.mean = augmentation.std = {0.5f, 0.5f, 0.5f};
  const data::Geometry geometry = {3, 5, 6};
  std::set<Sample> windows, found;
  for (int top = 0; top <= 2; ++top) {
    for (int left = 0; left <= 1; ++left) {
      for (const bool mirror : {false, true}) {
        Sample window = window_of(image, geometry, top, left, mirror);
        // Darknet's formula; the same bits.
        for (float& value : window) value = 2 * value - 1;
        windows.insert(window);
      }
    }
  }
  for (int sample = 0; sample < 200; ++sample) found.insert(train(image, augmentation, geometry, sample));
  EXPECT_EQ(windows.size(), 12U);
  EXPECT_EQ(found, windows);
  augmentation.crop_flip = false;
  found.clear();
  for (int sample = 0; sample < 200; ++sample) found.insert(train(image, augmentation, geometry, sample));
  EXPECT_EQ(found.size(), 6U);
}

TEST(Evaluation, ImagesOfTheNetworksSizeAreCopied) {
  const data::Image image = pattern_image({3, 6, 7}, 1);
  data::Augmentation augmentation = padded(2, true);
  augmentation.valid_resize = 9;
  EXPECT_EQ(evaluate(image, augmentation, image.shape), copy_of(image));
}

TEST(Evaluation, CentreSquareIsCutBeforeResizing) {
  const data::Image image = pattern_image({3, 8, 21}, 1);
  data::Augmentation augmentation;
  EXPECT_EQ(evaluate(image, augmentation, {3, 8, 8}), window_of(image, {3, 8, 8}, 0, 6, false));
  const Sample square = window_of(image, {3, 8, 8}, 0, 6, false);
  Sample expected(3 * 5 * 5);
  for (size_t c = 0; c < 3; ++c) data::resize_aligned(square.data() + c * 64, 8, 8, expected.data() + c * 25, 5, 5);
  EXPECT_EQ(evaluate(image, augmentation, {3, 5, 5}), expected);
}

TEST(Evaluation, ResizeMinCutsAfterResizing) {
  const data::Image image = pattern_image({3, 21, 8}, 1);
  data::Augmentation augmentation;
  augmentation.eval_crop = data::EvalCrop::kResizeMin;
  EXPECT_EQ(evaluate(image, augmentation, {3, 8, 8}), window_of(image, {3, 8, 8}, 6, 0, false));
  // Width 5, height 21 * 5 / 8 = 13, of which rows 4..8 stay.
  const Sample whole = copy_of(image);
  Sample expected;
  for (size_t c = 0; c < 3; ++c) {
    Sample resized(13 * 5);
    data::resize_aligned(whole.data() + c * 168, 21, 8, resized.data(), 13, 5);
    expected.insert(expected.end(), resized.begin() + 20, resized.begin() + 45);
  }
  EXPECT_EQ(evaluate(image, augmentation, {3, 5, 5}), expected);
  augmentation.eval_crop = data::EvalCrop::kCentreSquare;
  EXPECT_NE(evaluate(image, augmentation, {3, 5, 5}), expected);
}

TEST(Evaluation, ResizeMinRepeatsEdgesOfATallerNetwork) {
  const data::Image image = pattern_image({1, 4, 4}, 1);
  data::Augmentation augmentation;
  augmentation.eval_crop = data::EvalCrop::kResizeMin;
  const Sample out = evaluate(image, augmentation, {1, 8, 4});
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 4; ++x)
      EXPECT_EQ(out[static_cast<size_t>(4 * y + x)], value_at(image, 0, std::clamp(y - 2, 0, 3), x));
  }
}

TEST(Evaluation, ValidResizeTakesTheCentre) {
  data::Augmentation augmentation;
  augmentation.valid_resize = 8;
  const data::Image same = pattern_image({3, 8, 12}, 1);
  EXPECT_EQ(evaluate(same, augmentation, {3, 6, 6}), window_of(same, {3, 6, 6}, 1, 3, false));
  // Halved by area: every pixel is the mean of four.
  const data::Image large = from_function({1, 16, 24}, [](int, int y, int x) { return 4 * (y / 2) + 2 * (x / 2); });
  const Sample out = evaluate(large, augmentation, {1, 6, 6});
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 6; ++x) EXPECT_NEAR(out[static_cast<size_t>(6 * y + x)] * 255, 4 * (y + 1) + 2 * (x + 3), 1e-3);
  }
}

TEST(TrainingText, NamesWhatShapesTrainingInputAndNothingElse) {
  const std::string base = padded(4, true).training_text();
  const auto changed = [](const std::function<void(data::Augmentation*)>& change) {
    data::Augmentation augmentation = padded(4, true);
    change(&augmentation);
    return augmentation.training_text();
  };
  EXPECT_NE(changed([](data::Augmentation* a) { a->pad = 3; }), base);
  EXPECT_NE(changed([](data::Augmentation* a) { a->mirror = false; }), base);
  EXPECT_NE(changed([](data::Augmentation* a) { a->random_resized_crop = true; }), base);
  EXPECT_NE(changed([](data::Augmentation* a) { a->own = false; }), base);
  EXPECT_NE(changed([](data::Augmentation* a) { a->mean = {.5f}; }), base);
  EXPECT_NE(changed([](data::Augmentation* a) { a->std = {.5f}; }), base);
  EXPECT_EQ(changed([](data::Augmentation* a) { a->valid_resize = 256; }), base);
  EXPECT_EQ(changed([](data::Augmentation* a) { a->eval_crop = data::EvalCrop::kResizeMin; }), base);
  EXPECT_EQ(changed([](data::Augmentation* a) { a->angle = 7; }), base);
  EXPECT_EQ(base.find('\n'), std::string::npos);
}

TEST(TrainingText, NamesEveryKeyOfTheHost) {
  const std::string base = data::Augmentation().training_text();
  const std::vector<std::function<void(data::Augmentation*)>> changes = {
      [](data::Augmentation* a) { a->flip = false; },      [](data::Augmentation* a) { a->angle = 1e-12; },
      [](data::Augmentation* a) { a->aspect = 1.1; },      [](data::Augmentation* a) { a->hue = .1; },
      [](data::Augmentation* a) { a->saturation = 1.1; },  [](data::Augmentation* a) { a->exposure = 1.1; },
      [](data::Augmentation* a) { a->min_crop = 1; },      [](data::Augmentation* a) { a->max_crop = 1; },
      [](data::Augmentation* a) { a->mean = {.1f, .2f}; }, [](data::Augmentation* a) { a->std = {.1f, .2f}; }};
  std::set<std::string> strings = {base};
  for (const auto& change : changes) {
    data::Augmentation augmentation;
    change(&augmentation);
    EXPECT_TRUE(strings.insert(augmentation.training_text()).second) << augmentation.training_text();
  }
}

TEST(CheckCrop, RefusesAnEmptyRange) {
  const auto refused = [](int min_crop, int max_crop, const std::vector<std::string>& parts) {
    data::Augmentation augmentation;
    augmentation.min_crop = min_crop;
    augmentation.max_crop = max_crop;
    expect_error([&] { data::check_crop(augmentation, {3, 32, 32}); }, parts);
  };
  data::check_crop(data::Augmentation(), {3, 32, 32});
  refused(40, 32, {"min_crop = 40", "max_crop = 32"});
  refused(0, 20, {"max_crop = 20", "width, 32"});
}

}  // namespace
}  // namespace dng
