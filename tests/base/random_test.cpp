#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace dng {
namespace {

// The multiplicative inverse modulo 2^64 of an odd number (Newton).
uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
  return x;
}

uint64_t undo_shift(uint64_t y, int shift) {
  uint64_t x = y;
  for (int i = 0; i < 64 / shift + 1; ++i) x = y ^ (x >> shift);
  return x;
}

// The inverse of SplitMix64's step: leads to the seed and the place that give Philox the key and counter of a published
// vector.
uint64_t unmix(uint64_t y) {
  y = undo_shift(y, 31) * inverse(0x94d049bb133111ebull);
  y = undo_shift(y, 27) * inverse(0xbf58476d1ce4e5b9ull);
  return undo_shift(y, 30) - 0x9e3779b97f4a7c15ull;
}

TEST(Philox, AgreesWithThePublishedVector) {
  // philox4x32-10 of the Random123 distribution: counter and key zero.
  const uint64_t seed = unmix(unmix(0) ^ static_cast<uint64_t>(Stream::kTest));
  CounterRandom random(seed, Stream::kTest, unmix(0), 0);
  EXPECT_EQ(random.next(), 0x6627e8d5u);
  EXPECT_EQ(random.next(), 0xe169c58du);
  EXPECT_EQ(random.next(), 0xbc57ac4cu);
  EXPECT_EQ(random.next(), 0x9b00dbd8u);
}

TEST(CounterRandom, DependsOnNothingButItsPlace) {
  CounterRandom a(1, Stream::kTest, 2, 3);
  std::vector<uint32_t> alone;
  alone.reserve(10);
  for (int i = 0; i < 10; ++i) alone.push_back(a.next());
  CounterRandom again(1, Stream::kTest, 2, 3), other(1, Stream::kTest, 2, 4);
  for (int i = 0; i < 10; ++i) {
    other.next();
    EXPECT_EQ(again.next(), alone[static_cast<size_t>(i)]);
  }
}

TEST(CounterRandom, EveryPartOfThePlaceMatters) {
  std::set<uint32_t> firsts;
  for (const uint64_t seed : {0u, 1u}) {
    for (const Stream stream : {Stream::kWeights, Stream::kAugment}) {
      for (const uint64_t a : {0u, 1u}) {
        for (const uint64_t b : {0u, 1u}) firsts.insert(CounterRandom(seed, stream, a, b).next());
      }
    }
  }
  EXPECT_EQ(firsts.size(), 16u);
}

TEST(CounterRandom, UniformHasTheRightMeanAndVariance) {
  CounterRandom random(5, Stream::kTest, 0, 0);
  const int count = 200000;
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double x = random.uniform();
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / count;
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / count));
  EXPECT_NEAR(squares / count - mean * mean, 1.0 / 12, 1e-3);
}

TEST(CounterRandom, UniformKeepsItsRange) {
  CounterRandom random(6, Stream::kTest, 0, 0);
  double low = 10, high = -10;
  for (int i = 0; i < 10000; ++i) {
    const double x = random.uniform(-2, 3);
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_GE(low, -2);
  EXPECT_LT(low, -1.99);
  EXPECT_LT(high, 3);
  EXPECT_GT(high, 2.99);
  EXPECT_EQ(random.uniform(1, 1), 1);
}

TEST(CounterRandom, NormalHasTheRightMoments) {
  CounterRandom random(7, Stream::kTest, 0, 0);
  const int count = 200000;
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < count; ++i) {
    const double x = random.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(static_cast<double>(count)));
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2.0 / count));
  EXPECT_NEAR(fourth / count, 3, 5 * std::sqrt(96.0 / count));
}

// Pearson's statistic of `count` draws of below(bound).
double chi_squared(uint32_t bound, int count) {
  CounterRandom random(8, Stream::kTest, bound, 0);
  std::vector<int> hits(bound);
  for (int i = 0; i < count; ++i) ++hits.at(random.below(bound));
  const double expected = static_cast<double>(count) / bound;
  double sum = 0;
  for (const int n : hits) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

TEST(CounterRandom, BelowIsUniform) {
  for (const uint32_t bound : {2u, 3u, 7u, 9u, 100u}) {
    const double freedom = bound - 1;
    EXPECT_LT(chi_squared(bound, 100000), freedom + 5 * std::sqrt(2 * freedom) + 10) << bound;
  }
  CounterRandom random(9, Stream::kTest, 0, 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(1), 0u);
}

TEST(CounterRandom, BelowHasNoBiasForLargeBounds) {
  // With 3 * 2^30 of 2^32 values, plain multiplication would hit every third number twice as often as the others.
  CounterRandom random(10, Stream::kTest, 0, 0);
  const int count = 90000;
  int hits[3] = {0, 0, 0};
  for (int i = 0; i < count; ++i) {
    const uint32_t x = random.below(3u << 30);
    ASSERT_LT(x, 3u << 30);
    ++hits[x % 3];
  }
  for (const int n : hits) EXPECT_NEAR(n, count / 3., 5 * std::sqrt(count * 2.0 / 9));
}

TEST(EpochOrder, IsAPermutation) {
  for (const uint32_t count : {0u, 1u, 2u, 1000u}) {
    std::vector<uint32_t> order = epoch_order(1, 2, count);
    std::sort(order.begin(), order.end());
    std::vector<uint32_t> all(count);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(order, all);
  }
}

TEST(EpochOrder, DependsOnSeedAndEpochAlone) {
  EXPECT_EQ(epoch_order(1, 2, 100), epoch_order(1, 2, 100));
  EXPECT_NE(epoch_order(1, 2, 100), epoch_order(1, 3, 100));
  EXPECT_NE(epoch_order(1, 2, 100), epoch_order(2, 2, 100));
}

TEST(EpochOrder, EveryPlaceIsEquallyLikely) {
  const int epochs = 6000;
  int first[6] = {};
  for (int epoch = 0; epoch < epochs; ++epoch) ++first[epoch_order(3, static_cast<uint64_t>(epoch), 6)[0]];
  for (const int n : first) EXPECT_NEAR(n, epochs / 6., 5 * std::sqrt(epochs * 5.0 / 36));
}

}  // namespace
}  // namespace dng
