// Counter-based random numbers (Philox4x32-10; Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3,
// SC 2011). A value depends only on (seed, stream, a, b, how many were drawn), never on who draws or in what order:
// so batches do not depend on the number of threads, and runs can be resumed.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/host_device.h"

namespace dng {

// What the numbers are for; each purpose has its own stream.
enum class Stream : uint32_t { kWeights = 1, kShuffle = 2, kAugment = 3, kDropout = 4, kTest = 5, kRate = 6, kMix = 7 };

// Mixes 64 bits (the finaliser of SplitMix64), so that neighbouring seeds and places give unrelated keys.
DNG_HOST_DEVICE inline uint64_t mix_bits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// The same numbers on the CPU and on the GPU.
class CounterRandom {
 public:
  // a and b name the place within the stream, e.g. (epoch, sample) or (layer, iteration); b uses its low 32 bits only
  // where it is combined with more than 2^32 draws, which nothing here does.
  DNG_HOST_DEVICE CounterRandom(uint64_t seed, Stream stream, uint64_t a, uint64_t b) {
    const uint64_t key = mix_bits(mix_bits(seed) ^ static_cast<uint64_t>(stream));
    key_[0] = static_cast<uint32_t>(key);
    key_[1] = static_cast<uint32_t>(key >> 32);
    const uint64_t place = mix_bits(a);
    counter_[0] = 0;
    counter_[1] = static_cast<uint32_t>(b) ^ static_cast<uint32_t>(b >> 32) * 0x9e3779b9u;
    counter_[2] = static_cast<uint32_t>(place);
    counter_[3] = static_cast<uint32_t>(place >> 32);
  }

  // From here on as if `draws` numbers of 32 bits had been drawn since the beginning.
  DNG_HOST_DEVICE void skip_to(uint32_t draws) {
    counter_[0] = draws / 4;
    used_ = 4;
    for (uint32_t i = 0; i < draws % 4; ++i) next();
  }

  DNG_HOST_DEVICE uint32_t next() {  // 32 random bits
    if (used_ == 4) refill();
    return block_[used_++];
  }
  DNG_HOST_DEVICE double uniform() { return next() * (1.0 / 4294967296.0); }  // [0, 1), 32 bits of resolution
  DNG_HOST_DEVICE double uniform(double low, double high) { return low + (high - low) * uniform(); }  // [low, high)
  // 0..bound-1 without bias; bound >= 1. Lemire's multiplication with rejection of the biased remainder.
  DNG_HOST_DEVICE uint32_t below(uint32_t bound) {
    const uint32_t threshold = (0u - bound) % bound;
    for (;;) {
      const uint64_t product = static_cast<uint64_t>(next()) * bound;
      if (static_cast<uint32_t>(product) >= threshold) return static_cast<uint32_t>(product >> 32);
    }
  }
  double normal() {  // standard normal (Box-Muller)
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586477 * uniform());
  }

 private:
  DNG_HOST_DEVICE void refill() {
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

  uint32_t key_[2];
  uint32_t counter_[4];
  uint32_t block_[4];
  int used_ = 4;
};

// The order in which epoch `epoch` visits 0..count-1: a permutation that depends on (seed, epoch) alone.
std::vector<uint32_t> epoch_order(uint64_t seed, uint64_t epoch, uint32_t count);

}  // namespace dng
