// Shards: parts of equal size of a mini-batch. Kernels whose arithmetic depends on the number of images compute shard
// by shard, and sums over images run within a shard first, then over the shards in the order of base/sum_tree.h. So
// results depend on the size of a shard, and not on the number of threads or processes.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/sum_tree.h"

namespace dng::cpu {

struct Shards {
  int count = 1;   // in this process
  int images = 1;  // of one
  int all = 1;     // of the mini-batch, which other processes may have parts of
  int batch() const { return count * images; }
  // Parts of a shard, so that all shards together have `wanted` of them where there are fewer shards.
  int parts(int wanted) const { return std::max(1, wanted / all); }
};

// Vectors of `size` numbers, one for each shard, one behind the other: the first becomes their sum.
template <class Number>
void add_shards(int count, size_t size, Number* vectors) {
  for_sum_tree(count, [&](int to, int from) {
    Number* sum = vectors + static_cast<size_t>(to) * size;
    const Number* more = vectors + static_cast<size_t>(from) * size;
    for (size_t i = 0; i < size; ++i) sum[i] += more[i];
  });
}

}  // namespace dng::cpu
