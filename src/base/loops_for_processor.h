// Loops in vectors as wide as the processor's. To be included in a namespace without a name, after base/instructions.h,
// base/simd.h, `struct Loops` of pointers to functions, and DNG_LOOPS: a header that defines `constexpr Loops kLoops`
// in vectors of kWidth elements, with kRegisters registers. It is included once for each instruction set, and loops()
// selects. Function clones would not do: code of vectors is inlined only into code for the same set. No guard.

namespace any_processor {
constexpr int kWidth = 4;
#ifdef __aarch64__
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif
#include DNG_LOOPS
}  // namespace any_processor

#ifdef DNG_SIMD_TARGETS
DNG_TARGET_PUSH("arch=x86-64-v3")
namespace avx2 {
constexpr int kWidth = 8;
constexpr int kRegisters = 16;
#include DNG_LOOPS
}  // namespace avx2
DNG_TARGET_POP

DNG_TARGET_PUSH("arch=x86-64-v4")
namespace avx512 {
constexpr int kWidth = 16;
constexpr int kRegisters = 32;
#include DNG_LOOPS
}  // namespace avx512
DNG_TARGET_POP
#endif

const Loops& loops() {
#ifdef DNG_SIMD_TARGETS
  if (instructions() == Instructions::kAvx512) return avx512::kLoops;
  if (instructions() == Instructions::kAvx2) return avx2::kLoops;
#endif
  return any_processor::kLoops;
}
