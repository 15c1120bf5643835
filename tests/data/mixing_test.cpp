#include "data/mixing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/stream.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using data::Mix;
using data::Mixing;
using test::MemorySet;

constexpr data::Geometry kShape = {3, 20, 30};
constexpr int kDraws = 20000;

std::vector<Mix> draw_mixes(const Mixing& mixing, const data::Geometry& shape, int count) {
  std::vector<Mix> mixes;
  for (int i = 0; i < count; ++i) {
    CounterRandom random(3, Stream::kMix, 0, static_cast<uint64_t>(i));
    mixes.push_back(data::draw_mix(mixing, shape, 7, &random));
  }
  return mixes;
}

// The least and the greatest.
class Bounds {
 public:
  void add(int value) { values_.insert(value); }
  std::pair<int, int> operator()() const { return {*values_.begin(), *values_.rbegin()}; }
  size_t different() const { return values_.size(); }

 private:
  std::set<int> values_;
};

using Pair = std::pair<int, int>;

void expect_share(double found, double share) {
  // Five standard deviations.
  EXPECT_NEAR(found / kDraws, share, 5 * std::sqrt(share * (1 - share) / kDraws));
}

TEST(Mixing, EverySecondImageIsMixedAndEveryFourthBlurred) {
  for (const Mixing::Kind kind : {Mixing::Kind::kMixup, Mixing::Kind::kCutMix, Mixing::Kind::kMosaic}) {
    int mixed = 0, blurred = 0, both = 0;
    for (const Mix& mix : draw_mixes({kind, 15}, kShape, kDraws)) {
      mixed += mix.count > 0 ? 1 : 0;
      blurred += mix.blurred ? 1 : 0;
      both += mix.count > 0 && mix.blurred ? 1 : 0;
    }
    expect_share(mixed, 1. / 2);
    expect_share(blurred, 1. / 4);
    expect_share(both, 1. / 8);
  }
  for (const Mix& mix : draw_mixes({Mixing::Kind::kNone, 0}, kShape, 100)) {
    EXPECT_EQ(mix.count, 0);
    EXPECT_FALSE(mix.blurred);
  }
}

TEST(Mixing, RectanglesOfCutMix) {
  Bounds width, height, x, y, right, sample;
  int mixed = 0;
  for (const Mix& mix : draw_mixes({Mixing::Kind::kCutMix, 0}, kShape, kDraws)) {
    if (mix.count == 0) continue;
    ++mixed;
    ASSERT_EQ(mix.count, 1);
    const data::Rectangle& r = mix.parts[0].rectangle;
    width.add(r.width);
    height.add(r.height);
    x.add(r.x);
    y.add(r.y);
    right.add(r.x + r.width);
    sample.add(static_cast<int>(mix.parts[0].sample));
  }
  EXPECT_GT(mixed, kDraws / 3);
  // 0.3 and 0.8 of 30 and of 20, both ends counted.
  EXPECT_EQ(width(), Pair(9, 24));
  EXPECT_EQ(width.different(), 16U);
  EXPECT_EQ(height(), Pair(6, 16));
  EXPECT_EQ(x(), Pair(0, 30 - 9 - 1));
  EXPECT_EQ(y(), Pair(0, 20 - 6 - 1));
  // As in Darknet the last column is never reached.
  EXPECT_EQ(right().second, 29);
  EXPECT_EQ(sample(), Pair(0, 6));
  EXPECT_EQ(sample.different(), 7U);
}

TEST(Mixing, PointsOfMosaic) {
  Bounds x, y;
  std::set<int64_t> samples[3];
  for (const Mix& mix : draw_mixes({Mixing::Kind::kMosaic, 0}, kShape, kDraws)) {
    if (mix.count == 0) continue;
    ASSERT_EQ(mix.count, 3);
    const data::Rectangle &above = mix.parts[0].rectangle, &left = mix.parts[1].rectangle;
    x.add(above.x);
    y.add(left.y);
    for (int i = 0; i < 3; ++i) samples[i].insert(mix.parts[i].sample);
  }
  EXPECT_EQ(x(), Pair(6, 24));
  EXPECT_EQ(x.different(), 19U);
  EXPECT_EQ(y(), Pair(4, 16));
  for (const auto& found : samples) EXPECT_EQ(found.size(), 7U);
}

TEST(Mixing, BothKindsAreEquallyFrequent) {
  int counts[4] = {};
  for (const Mix& mix : draw_mixes({Mixing::Kind::kCutMixOrMosaic, 0}, kShape, kDraws)) ++counts[mix.count];
  expect_share(counts[0], 1. / 2);
  expect_share(counts[1], 1. / 4);
  expect_share(counts[3], 1. / 4);
}

TEST(Mixing, TinyImagesStayWithinTheirEdges) {
  for (int side = 1; side <= 12; ++side) {
    const data::Geometry shape = {1, side, 13 - side};
    for (const Mix& mix : draw_mixes({Mixing::Kind::kCutMixOrMosaic, 0}, shape, 500)) {
      for (int i = 0; i < mix.count; ++i) {
        const data::Rectangle& r = mix.parts[i].rectangle;
        ASSERT_TRUE(r.x >= 0 && r.y >= 0 && r.width >= 0 && r.height >= 0);
        ASSERT_TRUE(r.x + r.width <= shape.width && r.y + r.height <= shape.height);
      }
    }
  }
}

// Images of one value each show what was taken from where.
TEST(Mixing, WeightsAreSharesOfThePixels) {
  for (const Mixing::Kind kind : {Mixing::Kind::kCutMix, Mixing::Kind::kMosaic}) {
    for (const Mix& mix : draw_mixes({kind, 0}, kShape, 200)) {
      std::vector<float> image(kShape.size(), 0);
      double sum = mix.weight(-1, kShape);
      for (int i = 0; i < mix.count; ++i) {
        data::mix_part(mix, i, std::vector<float>(kShape.size(), static_cast<float>(i + 1)).data(), kShape,
                       image.data());
        sum += mix.weight(i, kShape);
      }
      EXPECT_NEAR(sum, 1, 1e-15);
      for (int i = -1; i < mix.count; ++i) {
        const auto seen = std::count(image.begin(), image.end(), static_cast<float>(i + 1));
        EXPECT_NEAR(mix.weight(i, kShape), static_cast<double>(seen) / static_cast<double>(kShape.size()), 1e-15);
      }
      if (mix.count == 0 || kind == Mixing::Kind::kCutMix) continue;
      // Each quarter is where it belongs, in every channel.
      for (size_t c = 0; c < 3; ++c) {
        const float* plane = image.data() + c * 600;
        EXPECT_EQ(plane[0], 0);
        EXPECT_EQ(plane[29], 1);
        EXPECT_EQ(plane[19 * 30], 2);
        EXPECT_EQ(plane[19 * 30 + 29], 3);
      }
    }
  }
}

TEST(Mixing, MixupIsTheMean) {
  Mix mix;
  mix.count = 1;
  mix.mean = true;
  mix.parts[0].rectangle = {0, 0, 2, 1};
  std::vector<float> image = {1, 0.25f, 0, 0.5f};
  const std::vector<float> other = {0, 0.75f, 1, 0.5f};
  data::mix_part(mix, 0, other.data(), {2, 1, 2}, image.data());
  EXPECT_EQ(image, std::vector<float>({0.5f, 0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(mix.weight(-1, kShape), 0.5);
  EXPECT_EQ(mix.weight(0, kShape), 0.5);
}

TEST(Mixing, TheMainClassHasTheLargestSum) {
  EXPECT_EQ(data::main_class({{4, 0, 0, 0}, {1, 0, 0, 0}}), 4);
  EXPECT_EQ(data::main_class({{4, 2, 0, 0}, {.5, .5, 0, 0}}), 4);
  EXPECT_EQ(data::main_class({{4, 2, 0, 0}, {.4, .6, 0, 0}}), 2);
  EXPECT_EQ(data::main_class({{4, 2, 3, 2}, {.4, .3, 0, .3}}), 2);
}

// Position of a pixel that lies outside: the edge is the mirror.
int mirrored(int i, int count) {
  while (i < 0 || i >= count) i = i < 0 ? -i : 2 * (count - 1) - i;
  return i;
}

TEST(Mixing, BlurIsAGaussianWithMirroredEdges) {
  const data::Geometry shape = {2, 9, 21};
  for (const auto& [size, sigma] : {std::pair(15, 2.6), std::pair(5, 1.1)}) {
    std::vector<double> weights;
    double sum = 0;
    for (int d = -size / 2; d <= size / 2; ++d) {
      weights.push_back(std::exp(-d * d / (2 * sigma * sigma)));
      sum += weights.back();
    }
    std::vector<float> image(shape.size());
    CounterRandom random(1, Stream::kTest, 0, 0);
    for (float& value : image) value = static_cast<float>(random.uniform());
    std::vector<float> found = image;
    data::blur_image(size, shape, found.data());
    double worst = 0, moved = 0;
    for (int c = 0; c < shape.channels; ++c) {
      for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
          double expected = 0;
          for (int i = 0; i < size; ++i) {
            for (int j = 0; j < size; ++j) {
              const int row = mirrored(y + i - size / 2, shape.height),
                        column = mirrored(x + j - size / 2, shape.width);
              expected += weights[static_cast<size_t>(i)] * weights[static_cast<size_t>(j)] / (sum * sum) *
                          image[static_cast<size_t>((c * shape.height + row) * shape.width + column)];
            }
          }
          const auto at = static_cast<size_t>((c * shape.height + y) * shape.width + x);
          worst = std::max(worst, std::fabs(found[at] - expected));
          moved = std::max(moved, static_cast<double>(std::fabs(found[at] - image[at])));
        }
      }
    }
    EXPECT_LE(worst, 1e-6) << size;
    EXPECT_GT(moved, 0.1) << size;
  }
}

// ---- the stream ----

constexpr data::Geometry kSmall = {3, 10, 10};
constexpr int kImages = 23;

MemorySet random_images() {
  std::vector<int> labels;
  labels.reserve(kImages);
  for (int i = 0; i < kImages; ++i) labels.push_back(i % 5);
  return {kSmall, labels, 1};
}

data::Augmentation mixed(Mixing::Kind kind) {
  data::Augmentation augmentation;
  augmentation.own = true;
  augmentation.mirror = true;
  augmentation.mixing = {kind, 5};
  return augmentation;
}

struct Seen {
  std::vector<float> image;
  int label = 0;
  std::vector<int> classes;
  std::vector<double> weights;
  bool operator==(const Seen& other) const {
    return image == other.image && label == other.label && classes == other.classes && weights == other.weights;
  }
};

std::map<int64_t, Seen> read(const data::Dataset& data, const data::Augmentation& augmentation, int batch,
                             int64_t first, int64_t last, int threads) {
  data::TrainingStream stream(data, augmentation, kSmall, 7, batch, first, last, threads);
  std::map<int64_t, Seen> seen;
  for (int64_t position = first; position < last; position += batch) {
    const data::Batch& made = stream.next();
    EXPECT_EQ(made.mixes.size(), static_cast<size_t>(batch));
    for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
      const float* image = made.images.data() + i * kSmall.size();
      const LabelMix& mix = made.mixes[i];
      seen[position + static_cast<int64_t>(i)] = {{image, image + kSmall.size()},
                                                  made.labels[i],
                                                  {mix.classes, mix.classes + LabelMix::kMax},
                                                  {mix.weights, mix.weights + LabelMix::kMax}};
    }
  }
  return seen;
}

TEST(MixedStream, DoesNotDependOnThreadsBatchOrStart) {
  const MemorySet data = random_images();
  for (const char* way : {"own", "host", "part"}) {
    for (int kind = 1; kind <= 4; ++kind) {
      data::Augmentation keys = mixed(static_cast<Mixing::Kind>(kind));
      keys.own = std::string(way) != "host";
      keys.random_resized_crop = std::string(way) == "part";
      const auto expected = read(data, keys, 1, 0, 120, 1);
      ASSERT_EQ(expected.size(), 120U);
      EXPECT_EQ(read(data, keys, 60, 0, 120, 5), expected);
      const auto resumed = read(data, keys, 10, 50, 120, 3);
      for (const auto& entry : resumed) EXPECT_EQ(entry.second, expected.at(entry.first)) << entry.first;
      // Another epoch draws anew.
      size_t again = 0;
      for (int64_t i = 0; i < kImages; ++i) {
        for (int64_t k = 0; k < kImages; ++k) again += expected.at(i) == expected.at(kImages + k) ? 1 : 0;
      }
      EXPECT_LT(again, 12U);
    }
  }
}

// The image of number i has one value, 10 i: so an image of the stream says what is in it.
TEST(MixedStream, LabelsAreThoseOfThePixels) {
  MemorySet data = random_images();
  for (size_t i = 0; i < data.images.size(); ++i) {
    std::fill(data.images[i].planes.begin(), data.images[i].planes.end(), static_cast<uint8_t>(10 * i));
  }
  for (int kind = 1; kind <= 4; ++kind) {
    data::Augmentation keys = mixed(static_cast<Mixing::Kind>(kind));
    keys.mixing.blur = 0;
    int several = 0;
    for (const auto& entry : read(data, keys, 4, 0, 400, 2)) {
      const Seen& seen = entry.second;
      std::vector<double> expected(5), found(5);
      for (const float value : seen.image) {
        const double number = value * 25.5;
        // A mean of two images has no class of its own.
        if (kind == 1) continue;
        expected[static_cast<size_t>(std::lround(number)) % 5] += 1.0 / static_cast<double>(kSmall.size());
      }
      double mean = 0;
      for (size_t k = 0; k < LabelMix::kMax; ++k) found[static_cast<size_t>(seen.classes[k])] += seen.weights[k];
      for (size_t k = 0; k < 5 && kind != 1; ++k) EXPECT_NEAR(found[k], expected[k], 1e-12) << entry.first;
      for (const double share : found) mean += share;
      EXPECT_NEAR(mean, 1, 1e-12);
      const auto most = std::max_element(found.begin(), found.end());
      EXPECT_EQ(found[static_cast<size_t>(seen.label)], *most);
      several += *most < 1 ? 1 : 0;
    }
    EXPECT_GT(several, 100);
  }
}

TEST(MixedStream, ImagesThatAreNotMixedAreTheOldStreams) {
  const MemorySet data = random_images();
  data::Augmentation keys = mixed(Mixing::Kind::kMixup), plain = keys;
  keys.mixing.blur = 0;
  plain.mixing = {};
  data::TrainingStream stream(data, plain, kSmall, 7, 100, 0, 100, 1);
  const data::Batch& batch = stream.next();
  EXPECT_TRUE(batch.mixes.empty());
  int same = 0;
  for (const auto& [position, seen] : read(data, keys, 10, 0, 100, 2)) {
    const float* image = batch.images.data() + static_cast<size_t>(position) * kSmall.size();
    const bool equal = std::equal(seen.image.begin(), seen.image.end(), image);
    same += equal ? 1 : 0;
    if (seen.weights[1] == 0) {
      EXPECT_TRUE(equal);
      EXPECT_EQ(seen.label, batch.labels[static_cast<size_t>(position)]);
    } else {
      // The image itself is half of it.
      EXPECT_EQ(seen.classes[0], batch.labels[static_cast<size_t>(position)]);
      for (size_t i = 0; i < seen.image.size(); ++i) {
        const float rest = 2 * seen.image[i] - image[i];
        EXPECT_TRUE(rest > -1e-6f && rest < 1 + 1e-6f);
      }
    }
  }
  EXPECT_GT(same, 30);
  EXPECT_LT(same, 75);
}

TEST(MixedStream, BlurAloneLeavesTheLabels) {
  const MemorySet data = random_images();
  data::Augmentation keys = mixed(Mixing::Kind::kNone), plain = keys;
  plain.mixing = {};
  data::TrainingStream blurred(data, keys, kSmall, 7, 400, 0, 400, 2), sharp(data, plain, kSmall, 7, 400, 0, 400, 1);
  const data::Batch &a = blurred.next(), &b = sharp.next();
  EXPECT_TRUE(a.mixes.empty());
  EXPECT_EQ(a.labels, b.labels);
  int changed = 0;
  for (size_t i = 0; i < 400; ++i) {
    const auto from = static_cast<std::ptrdiff_t>(i * kSmall.size()), to = static_cast<std::ptrdiff_t>(kSmall.size());
    changed += std::equal(a.images.begin() + from, a.images.begin() + from + to, b.images.begin() + from) ? 0 : 1;
  }
  EXPECT_GT(changed, 60);
  EXPECT_LT(changed, 140);
}

TEST(MixedStream, TheTextNamesWhatIsMixedAndNothingElse) {
  data::Augmentation augmentation = mixed(Mixing::Kind::kCutMixOrMosaic);
  EXPECT_EQ(augmentation.training_text(),
            "own pad=0 mirror=1 random_resized_crop=0 mix=cutmix,mosaic blur=5 mean=none std=none");
  augmentation.mixing = {};
  EXPECT_EQ(augmentation.training_text(), "own pad=0 mirror=1 random_resized_crop=0 mean=none std=none");
}

}  // namespace
}  // namespace dng
