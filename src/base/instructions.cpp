#include "base/instructions.h"

#include <dnnl.hpp>

#include "base/simd.h"

namespace dng {

Instructions instructions() {
  static const Instructions found = [] {
#ifdef DNG_SIMD_TARGETS
    const auto seen = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto sees = [&](dnnl::cpu_isa isa) {
      return (seen & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
    };
    if (sees(dnnl::cpu_isa::avx512_core) && __builtin_cpu_supports("x86-64-v4") != 0) return Instructions::kAvx512;
    if (sees(dnnl::cpu_isa::avx2) && __builtin_cpu_supports("x86-64-v3") != 0) return Instructions::kAvx2;
#endif
    return Instructions::kAny;
  }();
  return found;
}

const char* text_of(Instructions instructions) {
  if (instructions == Instructions::kAvx512) return "avx512f";
  return instructions == Instructions::kAvx2 ? "avx2" : "sse2";
}

}  // namespace dng
