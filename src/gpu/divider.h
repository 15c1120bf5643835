// Division by a constant known before a kernel starts: a product and a shift instead of some twenty instructions.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace dng::gpu {

// Exact for dividends below 2^31 (T. Granlund, P. L. Montgomery, Division by invariant integers using multiplication,
// 1994).
class Divider {
 public:
  Divider() = default;
  explicit Divider(int divisor) {
    const auto d = static_cast<uint64_t>(divisor);
    while ((uint64_t{1} << shift_) < d) ++shift_;
    multiplier_ = static_cast<uint32_t>((uint64_t{1} << 32) * ((uint64_t{1} << shift_) - d) / d + 1);
  }
  DNG_HOST_DEVICE int quotient(int dividend) const {
    const auto n = static_cast<uint32_t>(dividend);
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(n, multiplier_);
#else
    const auto high = static_cast<uint32_t>(uint64_t{n} * multiplier_ >> 32);
#endif
    return static_cast<int>((high + n) >> shift_);
  }

 private:
  uint32_t multiplier_ = 1;
  int shift_ = 0;
};

}  // namespace dng::gpu
