// Products of 16x16 tiles of bfloat16 by a warp, on the tensor cores; on the emulated GPU as loops.
//
// A tile is the warp's, not a thread's: all threads of the warp call these functions together. Factors come from shared
// memory, eight adjacent values (at a multiple of 16 bytes) at a time; `Rows` say where, whatever the
// layout of the rest. Products are summed in float.
#pragma once

#include "gpu/launch.h"

namespace dng::DNG_GPU {

constexpr int kTile = 16;
constexpr int kPackOfTile = 8;  // adjacent values

#if defined(__CUDACC__)

struct TileA {
  uint32_t registers[4];
};
struct TileB {
  uint32_t registers[4];
};
struct TileC {
  float values[8];
};

// The layouts of ldmatrix and mma.m16n8k16 are those of the PTX manual. Each group of 8 threads gives the addresses of
// the rows of one 8x8 matrix; matrices come in the order of the registers that mma wants.
__device__ inline void load_matrices(uint32_t* registers, const gpu::BFloat16* from) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address));
}
__device__ inline void load_transposed_matrices(uint32_t* registers, const gpu::BFloat16* from) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address));
}
__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x % 32); }

// The place that this thread gives.
struct Rows {
  const gpu::BFloat16* mine;
};
// at(row, half): inner numbers 8 * half and on of a row.
template <class At>
__device__ Rows rows_of_a(const At& at) {
  const int lane = lane_of_warp();
  return {at(lane % 16, lane / 16)};
}
// at(inner, half): rows 8 * half and on, of an inner number.
template <class At>
__device__ Rows transposed_rows_of_a(const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  return {at(lane % 8 + 8 * (matrix / 2), matrix % 2)};
}
// at(column, half): inner numbers 8 * half and on of a column.
template <class At>
__device__ Rows rows_of_b(const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  return {at(lane % 8 + 8 * (matrix / 2), matrix % 2)};
}
// at(inner, half): columns 8 * half and on, of an inner number.
template <class At>
__device__ Rows transposed_rows_of_b(const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  return {at(lane % 8 + 8 * (matrix % 2), matrix / 2)};
}
// From rows that are all `offset` values further on.
__device__ inline void load_a(TileA* a, const Rows& rows, int offset) {
  load_matrices(a->registers, rows.mine + offset);
}
__device__ inline void load_a_transposed(TileA* a, const Rows& rows, int offset) {
  load_transposed_matrices(a->registers, rows.mine + offset);
}
__device__ inline void load_b(TileB* b, const Rows& rows, int offset) {
  load_matrices(b->registers, rows.mine + offset);
}
__device__ inline void load_b_transposed(TileB* b, const Rows& rows, int offset) {
  load_transposed_matrices(b->registers, rows.mine + offset);
}

__device__ inline void clear(TileC* c) { DNG_UNROLL for (float& value : c->values) value = 0; }
// c += a b
__device__ inline void multiply_add(TileC* c, const TileA& a, const TileB& b) {
  DNG_UNROLL for (int half = 0; half < 2; ++half) {
    float* d = c->values + 4 * half;
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
        "%2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a.registers[0]), "r"(a.registers[1]), "r"(a.registers[2]), "r"(a.registers[3]),
          "r"(b.registers[2 * half]), "r"(b.registers[2 * half + 1]));
  }
}
// function(row, column, first, second): the values of columns `column`, which is even, and column + 1.
template <class Function>
__device__ void for_pairs(TileC* c, const Function& function) {
  const int lane = lane_of_warp();
  DNG_UNROLL for (int half = 0; half < 2; ++half) {
    DNG_UNROLL for (int low = 0; low < 2; ++low) {
      float* pair = c->values + 4 * half + 2 * low;
      function(lane / 4 + 8 * low, lane % 4 * 2 + 8 * half, pair[0], pair[1]);
    }
  }
}

// A value for each column of a tile, and two sums for each; columns come in pairs, as for_pairs gives them.
class ColumnValues {
 public:
  // value(column)
  template <class Value>
  __device__ void start(const Value& value) {
    DNG_UNROLL for (int i = 0; i < 4; ++i) values_[i] = value(lane_of_warp() % 4 * 2 + i / 2 * 8 + i % 2);
  }
  // Of column + which.
  __device__ float get(int column, int which) const { return values_[column / 8 * 2 + which]; }

 private:
  float values_[4] = {};
};
class ColumnTotals {
 public:
  // To column + which.
  __device__ void add(int column, int which, float a, float b) {
    a_[column / 8 * 2 + which] += a;
    b_[column / 8 * 2 + which] += b;
  }
  // function(column, a, b), once for each column.
  template <class Function>
  __device__ void total(const Function& function) {
    DNG_UNROLL for (int distance = 4; distance < 32; distance *= 2) {
      DNG_UNROLL for (int i = 0; i < 4; ++i) {
        a_[i] += __shfl_xor_sync(0xffffffffu, a_[i], distance);
        b_[i] += __shfl_xor_sync(0xffffffffu, b_[i], distance);
      }
    }
    const int lane = lane_of_warp();
    if (lane >= 4) return;
    DNG_UNROLL for (int i = 0; i < 4; ++i) function(lane * 2 + i / 2 * 8 + i % 2, a_[i], b_[i]);
  }

 private:
  float a_[4] = {}, b_[4] = {};
};

// Copies eight values into shared memory, or zeros where they do not exist (`from` is some valid address then);
// begun here, done after finish_copies(), for this thread.
__device__ inline void begin_copy(gpu::BFloat16* to, const gpu::BFloat16* from, bool exists) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(exists ? 16 : 0));
}
__device__ inline void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// State of a warp from one step of its block to the next.
template <class T>
class PerWarp {
 public:
  __device__ T& operator[](int) { return value_; }

 private:
  T value_;
};

#else

struct TileA {
  float values[kTile][kTile];  // [row][inner]
};
struct TileB {
  float values[kTile][kTile];  // [inner][column]
};
struct TileC {
  float values[kTile][kTile];
};

struct Rows {
  const gpu::BFloat16* at[kTile][kTile / kPackOfTile];
};
template <class At>
Rows rows_at(const At& at) {
  Rows rows;
  for (int outer = 0; outer < kTile; ++outer) {
    for (int half = 0; half < kTile / kPackOfTile; ++half) rows.at[outer][half] = at(outer, half);
  }
  return rows;
}
template <class At>
Rows rows_of_a(const At& at) {
  return rows_at(at);
}
template <class At>
Rows transposed_rows_of_a(const At& at) {
  return rows_at(at);
}
template <class At>
Rows rows_of_b(const At& at) {
  return rows_at(at);
}
template <class At>
Rows transposed_rows_of_b(const At& at) {
  return rows_at(at);
}
// function(outer, number, its value)
template <class Function>
void for_numbers(const Rows& rows, int offset, const Function& function) {
  for (int outer = 0; outer < kTile; ++outer) {
    for (int i = 0; i < kTile; ++i) {
      function(outer, i, gpu::to_float(rows.at[outer][i / kPackOfTile][offset + i % kPackOfTile]));
    }
  }
}
inline void load_a(TileA* a, const Rows& rows, int offset) {
  for_numbers(rows, offset, [&](int row, int inner, float value) { a->values[row][inner] = value; });
}
inline void load_a_transposed(TileA* a, const Rows& rows, int offset) {
  for_numbers(rows, offset, [&](int inner, int row, float value) { a->values[row][inner] = value; });
}
inline void load_b(TileB* b, const Rows& rows, int offset) {
  for_numbers(rows, offset, [&](int column, int inner, float value) { b->values[inner][column] = value; });
}
inline void load_b_transposed(TileB* b, const Rows& rows, int offset) {
  for_numbers(rows, offset, [&](int inner, int column, float value) { b->values[inner][column] = value; });
}
inline void clear(TileC* c) { *c = TileC(); }
inline void multiply_add(TileC* c, const TileA& a, const TileB& b) {
  for (int row = 0; row < kTile; ++row) {
    for (int inner = 0; inner < kTile; ++inner) {
      for (int column = 0; column < kTile; ++column) {
        c->values[row][column] += a.values[row][inner] * b.values[inner][column];
      }
    }
  }
}
template <class Function>
void for_pairs(TileC* c, const Function& function) {
  for (int row = 0; row < kTile; ++row) {
    for (int column = 0; column < kTile; column += 2) {
      function(row, column, c->values[row][column], c->values[row][column + 1]);
    }
  }
}

class ColumnValues {
 public:
  template <class Value>
  void start(const Value& value) {
    for (int column = 0; column < kTile; ++column) values_[column] = value(column);
  }
  float get(int column, int which) const { return values_[column + which]; }

 private:
  float values_[kTile] = {};
};
class ColumnTotals {
 public:
  void add(int column, int which, float a, float b) {
    a_[column + which] += a;
    b_[column + which] += b;
  }
  template <class Function>
  void total(const Function& function) {
    for (int column = 0; column < kTile; ++column) function(column, a_[column], b_[column]);
  }

 private:
  float a_[kTile] = {}, b_[kTile] = {};
};

inline void begin_copy(gpu::BFloat16* to, const gpu::BFloat16* from, bool exists) {
  for (int i = 0; i < kPackOfTile; ++i) to[i] = exists ? from[i] : gpu::BFloat16{0};
}
inline void finish_copies() {}

template <class T>
class PerWarp {
 public:
  T& operator[](int warp) { return values_[static_cast<size_t>(warp)]; }

 private:
  T values_[kThreads / 32];
};

#endif

}  // namespace dng::DNG_GPU
