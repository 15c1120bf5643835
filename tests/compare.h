// Comparisons of arrays of floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

namespace dng::test {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Vector>
bool same_bits(const Vector& a, const Vector& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

// The largest absolute difference; infinite where a value is not finite.
template <class Found, class Expected>
double difference_between(const Found* found, const Expected* expected, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const double difference = std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
    if (!std::isfinite(difference)) return kInfinity;
    largest = std::max(largest, difference);
  }
  return largest;
}

// The same over the largest expected value; infinite where all are zero, which no comparison may pass by.
template <class Found, class Expected>
double error_between(const Found* found, const Expected* expected, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
  return largest > 0 ? difference_between(found, expected, count) / largest : kInfinity;
}
template <class Found, class Expected>
double error_between(const Found& found, const Expected& expected) {
  return found.size() == expected.size() ? error_between(found.data(), expected.data(), found.size()) : kInfinity;
}

}  // namespace dng::test
