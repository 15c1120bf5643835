#include "base/random.h"

#include <cmath>
#include <numeric>

namespace dng {
namespace {

// Mixes 64 bits (the finaliser of SplitMix64), so that neighbouring seeds and places give unrelated keys.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

CounterRandom::CounterRandom(uint64_t seed, Stream stream, uint64_t a, uint64_t b) {
  const uint64_t key = mix(mix(seed) ^ static_cast<uint64_t>(stream));
  key_[0] = static_cast<uint32_t>(key);
  key_[1] = static_cast<uint32_t>(key >> 32);
  const uint64_t place = mix(a);
  counter_[0] = 0;
  counter_[1] = static_cast<uint32_t>(b) ^ static_cast<uint32_t>(b >> 32) * 0x9e3779b9u;
  counter_[2] = static_cast<uint32_t>(place);
  counter_[3] = static_cast<uint32_t>(place >> 32);
}

void CounterRandom::refill() {
  uint32_t c[4] = {counter_[0], counter_[1], counter_[2], counter_[3]};
  uint32_t k0 = key_[0], k1 = key_[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xd2511f53ull * c[0];
    const uint64_t p1 = 0xcd9e8d57ull * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
                              static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  for (int i = 0; i < 4; ++i) block_[i] = c[i];
  ++counter_[0];
  used_ = 0;
}

uint32_t CounterRandom::next() {
  if (used_ == 4) refill();
  return block_[used_++];
}

double CounterRandom::uniform() { return next() * (1.0 / 4294967296.0); }

double CounterRandom::uniform(double low, double high) { return low + (high - low) * uniform(); }

uint32_t CounterRandom::below(uint32_t bound) {
  // Lemire's multiplication with rejection of the biased remainder.
  const uint32_t threshold = (0u - bound) % bound;
  for (;;) {
    const uint64_t product = static_cast<uint64_t>(next()) * bound;
    if (static_cast<uint32_t>(product) >= threshold) return static_cast<uint32_t>(product >> 32);
  }
}

double CounterRandom::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(6.283185307179586477 * uniform());
}

std::vector<uint32_t> epoch_order(uint64_t seed, uint64_t epoch, uint32_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  CounterRandom random(seed, Stream::kShuffle, epoch, 0);
  for (uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace dng
