// What instructions kernels may use: what the processor has, as far as DNNL_MAX_CPU_ISA lets oneDNN and us see it.
#pragma once

namespace dng {

enum class Instructions {
  kAny,     // on x86 SSE2
  kNeon,    // every 64-bit ARM processor
  kAvx2,    // with FMA and the rest of x86-64-v3
  kAvx512,  // x86-64-v4
};

Instructions instructions();
// As states name them.
const char* text_of(Instructions instructions);

}  // namespace dng
