// Max pooling of one row (see cpu/layout.h) on the CPU.
#pragma once

#include "cpu/layout.h"
#include "data/image.h"

namespace dng::cpu {

struct PoolShape {
  data::Geometry in, out;
  int size = 1, stride_y = 1, stride_x = 1;
  int offset = 0;  // of the first window's first row and column: 0 or less
};

// output[y][x][block] = the largest value of the window, and best the index of its pixel's first lane in the row; of
// equal ones the first. Windows are cut to the input; NaN never wins.
void max_pool_row(const float* input, const PoolShape& shape, int block, float* output, int* best);

}  // namespace dng::cpu
