#include "gpu/divider.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace dng::test {
namespace {

TEST(Divider, DividesAsTheProcessorDoes) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> any(0, std::numeric_limits<int>::max());
  for (int round = 0; round < 2000; ++round) {
    // All small divisors, then any.
    const int divisor = round < 1000 ? round + 1 : std::max(1, any(random) >> (round % 31));
    const gpu::Divider by(divisor);
    for (int i = 0; i < 50; ++i) {
      const int multiple = any(random) / divisor * divisor;
      for (const int dividend :
           {i, any(random), multiple, std::max(0, multiple - 1), std::numeric_limits<int>::max()}) {
        ASSERT_EQ(by.quotient(dividend), dividend / divisor) << dividend << " / " << divisor;
      }
    }
  }
}

}  // namespace
}  // namespace dng::test
