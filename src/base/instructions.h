// The instruction set that kernels use: the processor's, limited by DNNL_MAX_CPU_ISA as oneDNN's is.
#pragma once

namespace dng {

enum class Instructions {
  kAny,     // on x86 SSE2
  kNeon,    // every 64-bit ARM processor
  kAvx2,    // with FMA and the rest of x86-64-v3
  kAvx512,  // x86-64-v4
};

Instructions instructions();
// As in .state files.
const char* text_of(Instructions instructions);

}  // namespace dng
