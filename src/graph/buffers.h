// Buffers that are never needed at the same time lie at the same place.
#pragma once

#include <cstddef>
#include <vector>

namespace dng::graph {

// A buffer that is needed from tick `birth` to tick `death`, both included.
struct Buffer {
  size_t size = 0;  // floats
  int birth = 0, death = 0;
  size_t offset = 0;  // out: where it starts, in floats; a multiple of 16
};

// Fills the offsets; returns the floats that are needed in all.
size_t place(std::vector<Buffer>* buffers);

}  // namespace dng::graph
