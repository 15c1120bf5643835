// Work on the batch cut into pieces, which the threads take one after the other: a thread that is held up (another
// program on its core) takes fewer. A piece is a few images, so that what one step writes is still in the cache when
// the next one reads it. What pieces there are depends on the shapes alone, never on the number of threads.
#pragma once

#include <algorithm>
#include <exception>

#include "engine/cpu/scratch.h"
#include "engine/pass.h"

namespace dng {

Scratch& thread_scratch();

// Calls task(i, scratch) for every i below count. Throws what one of the tasks threw.
template <class Task>
void for_tasks(int count, const Task& task) {
  std::exception_ptr thrown;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < count; ++i) {
    try {
      const ScratchFrame frame(&thread_scratch());
      task(i, thread_scratch());
    } catch (...) {
#pragma omp critical(dng_for_tasks)
      thrown = std::current_exception();
    }
  }
  if (thrown) std::rethrow_exception(thrown);
}

// Calls task(range, scratch) for the images 0 to count - 1 in ranges of `piece`; the last may be shorter.
template <class Task>
void for_ranges(int count, int piece, const Task& task) {
  for_tasks((count + piece - 1) / piece, [&](int i, Scratch& scratch) {
    task(Range{i * piece, std::min(piece, count - i * piece)}, scratch);
  });
}

// The largest divisor of batch for which `bytes` per image stay within what a piece is given, and that leaves so many
// pieces at least.
constexpr int kLeastPieces = 4;
int piece_of(int batch, size_t bytes, int least_pieces = kLeastPieces);

}  // namespace dng
