#include "base/instructions.h"

#include "base/simd.h"

#ifdef DNG_SIMD_TARGETS
#include <dnnl.hpp>
#endif

namespace dng {

Instructions instructions() {
  static const Instructions found = [] {
#ifdef DNG_SIMD_TARGETS
    const auto seen = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto sees = [&](dnnl::cpu_isa isa) {
      return (seen & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
    };
    // What x86-64-v3 and -v4 have beyond that; Clang 16 does not know these names.
    const bool v3 = __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("bmi2") != 0;
    const bool v4 = v3 && __builtin_cpu_supports("avx512cd") != 0;
    if (sees(dnnl::cpu_isa::avx512_core) && v4) return Instructions::kAvx512;
    if (sees(dnnl::cpu_isa::avx2) && v3) return Instructions::kAvx2;
#endif
#ifdef __aarch64__
    return Instructions::kNeon;
#else
    return Instructions::kAny;
#endif
  }();
  return found;
}

const char* text_of(Instructions instructions) {
  switch (instructions) {
    case Instructions::kAvx512:
      return "avx512f";
    case Instructions::kAvx2:
      return "avx2";
    case Instructions::kNeon:
      return "neon";
    case Instructions::kAny:
      break;
  }
#ifdef __x86_64__
  return "sse2";
#else
  return "any";
#endif
}

}  // namespace dng
