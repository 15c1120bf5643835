// Real photographs, square, upright, lying and as narrow as can be, through the streams of training and evaluation:
// every value against plain loops in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/random.h"
#include "data/image_file.h"
#include "data/stream.h"
#include "tests/data/reference_resize.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using Values = std::vector<float>;
using Matrix = std::vector<std::vector<double>>;

constexpr data::Geometry kNetwork = {3, 224, 224};
constexpr uint64_t kSeed = 3;
const cv::Size kSizes[] = {{227, 227}, {500, 375}, {375, 500}, {640, 100}, {1, 40},
                           {40, 1},    {2, 300},   {224, 224}, {256, 300}, {1024, 768}};

// Sizes width x height, each of another photograph, as a list of JPEGs and a PNG.
class Photographs : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::string> files = test::photographs();
    if (files.empty()) GTEST_SKIP() << "the images of ILSVRC2012 are not there";
    std::string list;
    for (size_t i = 0; i < std::size(kSizes); ++i) {
      cv::Mat pixels;
      cv::resize(cv::imread(files[i * 100]), pixels, kSizes[i], 0, 0, cv::INTER_CUBIC);
      const std::string path = folder_.file(std::to_string(i) + (i == 2 ? ".png" : ".jpg"));
      ASSERT_TRUE(cv::imwrite(path, pixels));
      list += path + " " + std::to_string(i % 2) + "\n";
    }
    data::DataFile data = test::data_with_classes(2);
    data_ = data::open_dataset(data, folder_.write("list.txt", list), "train");
    ASSERT_EQ(data_->size(), static_cast<int64_t>(std::size(kSizes)));
  }

  data::Image image(int64_t sample) const {
    data::Image decoded;
    data_->decode(sample, &decoded);
    return decoded;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<data::Dataset> data_;
};

data::Augmentation recipe() {
  data::Augmentation augmentation;
  augmentation.own = augmentation.random_resized_crop = augmentation.mirror = true;
  augmentation.valid_resize = 256;
  return augmentation;
}

// The crop as docs/options.md describes it, drawn once more.
data::Rectangle crop(const data::Geometry& shape, CounterRandom* random) {
  const double whole = static_cast<double>(shape.height) * shape.width;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = whole * random->uniform(.08, 1);
    const double aspect = std::exp(random->uniform(std::log(.75), std::log(4 / 3.)));
    const auto width = static_cast<int>(std::lround(std::sqrt(area * aspect)));
    const auto height = static_cast<int>(std::lround(std::sqrt(area / aspect)));
    if (width < 1 || height < 1 || width > shape.width || height > shape.height) continue;
    const auto y = static_cast<int>(random->below(static_cast<uint32_t>(shape.height - height + 1)));
    const auto x = static_cast<int>(random->below(static_cast<uint32_t>(shape.width - width + 1)));
    return {x, y, width, height};
  }
  const double ratio = static_cast<double>(shape.width) / shape.height;
  const int width = ratio > 4 / 3. ? std::max(1, static_cast<int>(std::lround(shape.height * 4 / 3.))) : shape.width;
  const int height = ratio < .75 ? std::max(1, static_cast<int>(std::lround(shape.width * 4 / 3.))) : shape.height;
  return {(shape.width - width) / 2, (shape.height - height) / 2, width, height};
}

Matrix side(int in, int out) { return in > out ? test::area_weights(in, out) : test::linear_weights(in, out); }

TEST_F(Photographs, TrainingSamplesAreTheDocumentedCropsToTheirBits) {
  const data::Augmentation plain = recipe();
  data::Augmentation scaled = plain;
  scaled.mean = {.485f, .456f, .406f};
  scaled.std = {.229f, .224f, .225f};
  const int64_t epochs = 3, count = data_->size(), last = epochs * count;
  data::TrainingStream stream(*data_, plain, kNetwork, kSeed, 1, 0, last, 1);
  data::TrainingStream batches(*data_, plain, kNetwork, kSeed, 4, 0, last, 3);
  data::TrainingStream normalised(*data_, scaled, kNetwork, kSeed, 1, 0, last, 2);
  int mirrored = 0, tall = 0, wide = 0;
  for (int64_t position = 0; position < last; ++position) {
    const data::Batch& batch = stream.next();
    const int64_t sample = batch.samples[0];
    const data::Image whole = image(sample);
    CounterRandom random(kSeed, Stream::kAugment, static_cast<uint64_t>(position / count),
                         static_cast<uint64_t>(sample));
    const data::Rectangle part = crop(whole.shape, &random);
    const bool mirror = random.below(2) != 0;
    const Matrix rows = side(part.height, 224), columns = side(part.width, 224);
    const Values& out = batch.images;
    ASSERT_EQ(out.size(), kNetwork.size());
    double largest = 0, largest_unmirrored = 0;
    for (int c = 0; c < 3; ++c) {
      const Matrix expected = test::resized_plane(whole, c, part, rows, columns);
      for (size_t y = 0; y < 224; ++y) {
        for (size_t x = 0; x < 224; ++x) {
          const double value = out[(static_cast<size_t>(c) * 224 + y) * 224 + x];
          largest = std::max(largest, std::abs(value - expected[y][mirror ? 223 - x : x] / 255));
          largest_unmirrored = std::max(largest_unmirrored, std::abs(value - expected[y][x] / 255));
        }
      }
    }
    // Weights are multiples of 2^-16: see Resample's tests.
    const double taps = std::max(1, part.height / 224) + std::max(1, part.width / 224) + 4;
    EXPECT_LT(largest, taps * std::ldexp(1, -16) + std::ldexp(1, -20))
        << whole.shape.width << "x" << whole.shape.height;
    if (mirror && part.width > 20) {
      EXPECT_GT(largest_unmirrored, .02);
      ++mirrored;
    }
    tall += whole.shape.height > whole.shape.width ? 1 : 0;
    wide += whole.shape.height < whole.shape.width ? 1 : 0;

    // The same bits for any batch and number of threads, and from the image decoded as a whole.
    static const data::Batch* shared = nullptr;
    if (position % 4 == 0) shared = &batches.next();
    const auto start = shared->images.begin() + static_cast<long>((position % 4) * static_cast<long>(kNetwork.size()));
    ASSERT_TRUE(std::equal(out.begin(), out.end(), start));
    Values again(kNetwork.size());
    CounterRandom fresh(kSeed, Stream::kAugment, static_cast<uint64_t>(position / count),
                        static_cast<uint64_t>(sample));
    data::augment_for_training(whole, plain, kNetwork, &fresh, again.data());
    ASSERT_EQ(out, again);
    const Values& scaled_values = normalised.next().images;
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t c = i / (224 * 224);
      ASSERT_EQ(scaled_values[i], (out[i] - scaled.mean[c]) / scaled.std[c]);
    }
  }
  EXPECT_GT(mirrored, 5);
  EXPECT_GT(tall, 5);
  EXPECT_GT(wide, 5);
}

TEST_F(Photographs, EvaluationBringsTheShorterSideTo256AndTakesTheCentre) {
  data::EvaluationStream stream(*data_, recipe(), kNetwork, 1, 2);
  int64_t equal = 0, values = 0;
  for (int64_t sample = 0; sample < data_->size(); ++sample) {
    const Values& out = stream.next()->images;
    const data::Image whole = image(sample);
    const int h = whole.shape.height, w = whole.shape.width;
    const bool copied = h == 224 && w == 224;
    const int height = copied ? 224 : h <= w ? 256 : h * 256 / w, width = copied ? 224 : h <= w ? w * 256 / h : 256;
    const bool shrinks = h >= height && w >= width;
    const Matrix all_rows = shrinks ? test::area_weights(h, height) : test::linear_weights(h, height);
    const Matrix all_columns = shrinks ? test::area_weights(w, width) : test::linear_weights(w, width);
    const int top = (height - 224) / 2, left = (width - 224) / 2;
    const Matrix rows(all_rows.begin() + top, all_rows.begin() + top + 224);
    const Matrix columns(all_columns.begin() + left, all_columns.begin() + left + 224);
    for (size_t c = 0; c < 3; ++c) {
      const Matrix expected = test::resized_plane(whole, static_cast<int>(c), {0, 0, w, h}, rows, columns);
      for (size_t y = 0; y < 224; ++y) {
        for (size_t x = 0; x < 224; ++x, ++values) {
          const double byte = std::round(expected[y][x]);
          const double value = out[(c * 224 + y) * 224 + x] * 255.;
          // OpenCV interpolates with weights of 11 bits, and rounds to bytes.
          ASSERT_NEAR(value, byte, 1.001) << w << "x" << h << " at " << x << "," << y;
          equal += std::abs(value - byte) < 1e-3 ? 1 : 0;
        }
      }
    }
  }
  EXPECT_EQ(stream.next(), nullptr);
  EXPECT_GT(static_cast<double>(equal), .9 * static_cast<double>(values));
}

}  // namespace
}  // namespace dng
