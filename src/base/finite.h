#pragma once

#include <cmath>
#include <cstddef>

namespace dng {

inline bool all_finite(const float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

}  // namespace dng
