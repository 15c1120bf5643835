// Counter-based random numbers (Philox4x32-10; Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3,
// SC 2011). A value depends only on (seed, stream, a, b, how many were drawn), never on who draws or in what order:
// that is what makes batches independent of the number of threads, and runs resumable.
#pragma once

#include <cstdint>
#include <vector>

namespace dng {

// What the numbers are for; each purpose has its own stream.
enum class Stream : uint32_t { kWeights = 1, kShuffle = 2, kAugment = 3, kDropout = 4, kTest = 5 };

class CounterRandom {
 public:
  // a and b name the place within the stream, e.g. (epoch, sample) or (layer, iteration); b uses its low 32 bits only
  // where it is combined with more than 2^32 draws, which nothing here does.
  CounterRandom(uint64_t seed, Stream stream, uint64_t a, uint64_t b);

  uint32_t next();                          // 32 random bits
  double uniform();                         // [0, 1), 32 bits of resolution
  double uniform(double low, double high);  // [low, high)
  uint32_t below(uint32_t bound);           // 0..bound-1 without bias; bound >= 1
  double normal();                          // standard normal (Box-Muller)

 private:
  void refill();
  uint32_t key_[2];
  uint32_t counter_[4];
  uint32_t block_[4];
  int used_ = 4;
};

// The order in which epoch `epoch` visits 0..count-1: a permutation that depends on (seed, epoch) alone.
std::vector<uint32_t> epoch_order(uint64_t seed, uint64_t epoch, uint32_t count);

}  // namespace dng
