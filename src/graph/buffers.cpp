#include "graph/buffers.h"

#include <algorithm>
#include <numeric>

namespace dng::graph {
namespace {

constexpr size_t kFloatsPerLine = 16;

bool overlap(const Buffer& a, const Buffer& b) { return a.birth <= b.death && b.birth <= a.death; }

}  // namespace

size_t place(std::vector<Buffer>* buffers) {
  std::vector<size_t> order(buffers->size());
  std::iota(order.begin(), order.end(), size_t{0});
  // The largest first: what is small fits into the gaps.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return (*buffers)[a].size > (*buffers)[b].size; });
  std::vector<const Buffer*> placed;  // by offset
  size_t total = 0;
  for (const size_t index : order) {
    Buffer& buffer = (*buffers)[index];
    const size_t size = (buffer.size + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
    size_t offset = 0;
    for (const Buffer* other : placed) {
      if (!overlap(buffer, *other)) continue;
      if (offset + size <= other->offset) break;
      offset = std::max(offset, other->offset + (other->size + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine);
    }
    buffer.offset = offset;
    total = std::max(total, offset + size);
    const auto after = std::upper_bound(placed.begin(), placed.end(), &buffer,
                                        [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
    placed.insert(after, &buffer);
  }
  return total;
}

}  // namespace dng::graph
