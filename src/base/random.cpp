#include "base/random.h"

#include <numeric>

namespace dng {

std::vector<uint32_t> epoch_order(uint64_t seed, uint64_t epoch, uint32_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  CounterRandom random(seed, Stream::kShuffle, epoch, 0);
  for (uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace dng
