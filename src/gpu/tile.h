// Products of 16x16 tiles of bfloat16 by a warp, on the tensor cores; on the emulated GPU as loops.
//
// A tile is the warp's, not a thread's: all threads of the warp call these functions together. Factors come from shared
// memory, eight numbers that lie side by side (and at a multiple of 16 bytes) at a time; `at` says where, whatever the
// layout of the rest. Products are summed in float.
#pragma once

#include "gpu/launch.h"

namespace dng::DNG_GPU {

constexpr int kTile = 16;
constexpr int kPackOfTile = 8;  // numbers side by side

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
               : "r"(address)
               : "memory");
}
__device__ inline void load_transposed_matrices(uint32_t* registers, const gpu::BFloat16* from) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(from));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address)
               : "memory");
}
__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x % 32); }

// at(row, half): inner numbers 8 * half and on of a row.
template <class At>
__device__ void load_a(TileA* a, const At& at) {
  const int lane = lane_of_warp();
  load_matrices(a->registers, at(lane % 16, lane / 16));
}
// at(inner, half): rows 8 * half and on, of an inner number.
template <class At>
__device__ void load_a_transposed(TileA* a, const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  load_transposed_matrices(a->registers, at(lane % 8 + 8 * (matrix / 2), matrix % 2));
}
// at(column, half): inner numbers 8 * half and on of a column.
template <class At>
__device__ void load_b(TileB* b, const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  load_matrices(b->registers, at(lane % 8 + 8 * (matrix / 2), matrix % 2));
}
// at(inner, half): columns 8 * half and on, of an inner number.
template <class At>
__device__ void load_b_transposed(TileB* b, const At& at) {
  const int lane = lane_of_warp(), matrix = lane / 8;
  load_transposed_matrices(b->registers, at(lane % 8 + 8 * (matrix % 2), matrix / 2));
}

__device__ inline void clear(TileC* c) {
  for (float& value : c->values) value = 0;
}
// c += a b
__device__ inline void multiply_add(TileC* c, const TileA& a, const TileB& b) {
  for (int half = 0; half < 2; ++half) {
    float* d = c->values + 4 * half;
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
        "%2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a.registers[0]), "r"(a.registers[1]), "r"(a.registers[2]), "r"(a.registers[3]),
          "r"(b.registers[2 * half]), "r"(b.registers[2 * half + 1]));
  }
}
// function(row, column, first, second): the numbers of columns `column`, which is even, and column + 1.
template <class Function>
__device__ void for_pairs(TileC* c, const Function& function) {
  const int lane = lane_of_warp();
  for (int half = 0; half < 2; ++half) {
    for (int low = 0; low < 2; ++low) {
      float* pair = c->values + 4 * half + 2 * low;
      function(lane / 4 + 8 * low, lane % 4 * 2 + 8 * half, pair[0], pair[1]);
    }
  }
}

// What a warp keeps from one step of its block to the next.
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

// function(outer, number, its value), read as at(outer, half).
template <class At, class Function>
void for_packs(const At& at, const Function& function) {
  for (int outer = 0; outer < kTile; ++outer) {
    for (int number = 0; number < kTile; ++number) {
      function(outer, number, gpu::to_float(at(outer, number / kPackOfTile)[number % kPackOfTile]));
    }
  }
}
template <class At>
void load_a(TileA* a, const At& at) {
  for_packs(at, [&](int row, int inner, float value) { a->values[row][inner] = value; });
}
template <class At>
void load_a_transposed(TileA* a, const At& at) {
  for_packs(at, [&](int inner, int row, float value) { a->values[row][inner] = value; });
}
template <class At>
void load_b(TileB* b, const At& at) {
  for_packs(at, [&](int column, int inner, float value) { b->values[inner][column] = value; });
}
template <class At>
void load_b_transposed(TileB* b, const At& at) {
  for_packs(at, [&](int inner, int column, float value) { b->values[inner][column] = value; });
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

template <class T>
class PerWarp {
 public:
  T& operator[](int warp) { return values_[static_cast<size_t>(warp)]; }

 private:
  T values_[kThreads / 32];
};

#endif

}  // namespace dng::DNG_GPU
