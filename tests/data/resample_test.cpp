#include "data/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/pixels.h"
#include "tests/data/reference_resize.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::area_weights;
using test::linear_weights;
using test::pattern_image;
using Sample = std::vector<float>;

struct Case {
  int in_height, in_width, height, width;
};

// Both sides growing, both shrinking, one of each, by little and by much, single rows and columns, and no change.
const Case kCases[] = {{157, 133, 224, 224}, {300, 400, 224, 224}, {180, 320, 224, 224}, {320, 180, 224, 224},
                       {225, 223, 224, 224}, {1200, 900, 31, 33},  {1, 1, 5, 7},         {1, 300, 24, 24},
                       {300, 1, 24, 24},     {3, 2, 1, 1},         {448, 448, 224, 224}, {17, 19, 17, 19},
                       {2, 5, 6, 6},         {5, 1, 3, 2}};

Sample resampled(const data::Image& image, const data::Rectangle& rectangle, bool mirror,
                 const data::Geometry& geometry) {
  data::Part part;
  data::cut_part(image, rectangle, &part);
  Sample out(geometry.size(), -1.0f);
  data::resample(part, mirror, geometry, out.data());
  return out;
}

data::Rectangle whole(const data::Image& image) { return {0, 0, image.shape.width, image.shape.height}; }

std::vector<std::vector<double>> side(int in, int out) {
  return in > out ? area_weights(in, out) : linear_weights(in, out);
}

// What rounding the weights can do to a value of 0..1: each tap 2^-17, and the one that takes up the rest as much again
// for each. Twice, for rows and columns; float sums add less than 2^-20.
double bound(const Case& one) {
  const auto taps = [](int in, int out) { return in > out ? std::ceil(static_cast<double>(in) / out) + 1 : 2; };
  return (taps(one.in_height, one.height) + taps(one.in_width, one.width)) * std::ldexp(1, -16) + std::ldexp(1, -20);
}

// The largest difference from the reference.
double largest_error(const Case& one, const Sample& out, const std::vector<std::vector<double>>& rows,
                     const std::vector<std::vector<double>>& columns, const data::Image& image) {
  double largest = 0;
  const float* value = out.data();
  for (int c = 0; c < 3; ++c) {
    for (const std::vector<double>& row : test::resized_plane(image, c, whole(image), rows, columns)) {
      for (const double expected : row) largest = std::max(largest, std::abs(*value++ - expected / 255));
    }
  }
  EXPECT_EQ(value - out.data(), 3 * one.height * one.width);
  return largest;
}

TEST(Resample, IsTheMeanAlongSidesThatShrinkAndLinearAlongOthers) {
  for (const Case& one : kCases) {
    const data::Image image = pattern_image({3, one.in_height, one.in_width}, 1);
    const Sample out = resampled(image, whole(image), false, {3, one.height, one.width});
    EXPECT_LT(largest_error(one, out, side(one.in_height, one.height), side(one.in_width, one.width), image),
              bound(one))
        << one.in_height << "x" << one.in_width << " to " << one.height << "x" << one.width;
  }
}

TEST(Resample, TheBoundTellsMethodsApart) {
  const Case one = {300, 400, 224, 224};
  const data::Image image = pattern_image({3, one.in_height, one.in_width}, 1);
  const Sample out = resampled(image, whole(image), false, {3, one.height, one.width});
  EXPECT_GT(largest_error(one, out, linear_weights(300, 224), area_weights(400, 224), image), 100 * bound(one));
  EXPECT_GT(largest_error(one, out, area_weights(300, 224), linear_weights(400, 224), image), 100 * bound(one));
}

TEST(Resample, EvenPartsKeepTheirValueToTheBit) {
  for (const Case& one : kCases) {
    data::Image image;
    image.shape = {3, one.in_height, one.in_width};
    for (int byte = 0; byte < 256; byte += 5) {
      image.planes.assign(image.shape.size(), static_cast<uint8_t>(byte));
      const Sample out = resampled(image, whole(image), false, {3, one.height, one.width});
      ASSERT_EQ(out, Sample(out.size(), static_cast<float>(byte / 255.))) << byte << " " << one.in_height;
    }
  }
}

TEST(Resample, WithoutAChangeOfSizeItIsACopy) {
  data::Image image;
  image.shape = {1, 16, 16};
  for (int byte = 0; byte < 256; ++byte) image.planes.push_back(static_cast<uint8_t>(byte));
  Sample expected(256);
  data::copy_window(image, data::Window(), data::PixelTable(), image.shape, expected.data());
  EXPECT_EQ(resampled(image, whole(image), false, image.shape), expected);
  data::copy_window(image, {0, 0, true}, data::PixelTable(), image.shape, expected.data());
  EXPECT_EQ(resampled(image, whole(image), true, image.shape), expected);
}

TEST(Resample, MirroredRowsAreTheRowsBackwards) {
  for (const Case& one : kCases) {
    const data::Image image = pattern_image({3, one.in_height, one.in_width}, 2);
    const data::Geometry geometry = {3, one.height, one.width};
    Sample out = resampled(image, whole(image), true, geometry);
    for (auto row = out.begin(); row != out.end(); row += one.width) std::reverse(row, row + one.width);
    ASSERT_EQ(out, resampled(image, whole(image), false, geometry)) << one.in_height << "x" << one.in_width;
  }
}

TEST(Resample, ARectangleIsAnImageOfItsOwn) {
  const data::Image image = pattern_image({3, 40, 50}, 3);
  const data::Rectangle rectangle = {7, 11, 30, 20};
  data::Image inner;
  inner.shape = {3, 20, 30};
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 20; ++y) {
      for (int x = 0; x < 30; ++x) {
        inner.planes.push_back(image.planes[static_cast<size_t>((c * 40 + y + 11) * 50 + x + 7)]);
      }
    }
  }
  EXPECT_EQ(resampled(image, rectangle, true, {3, 24, 25}), resampled(inner, whole(inner), true, {3, 24, 25}));
}

TEST(Resample, GreyIsTheFirstOfThreeEqualPlanes) {
  const data::Image image = pattern_image({1, 33, 21}, 4);
  const Sample grey = resampled(image, whole(image), true, {1, 24, 30}),
               colour = resampled(image, whole(image), true, {3, 24, 30});
  for (size_t i = 0; i < colour.size(); ++i) ASSERT_EQ(colour[i], grey[i % grey.size()]);
}

}  // namespace
}  // namespace dng
