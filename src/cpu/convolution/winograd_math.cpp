#include "cpu/convolution/winograd_math.h"

#include <algorithm>

#include "base/instructions.h"
#include "base/simd.h"

namespace dng::cpu {
namespace {

using Loops = WinogradLoops;

#define DNG_LOOPS "cpu/convolution/winograd_loops.h"
#include "base/loops_for_processor.h"

}  // namespace

const WinogradLoops& winograd_loops() { return loops(); }

}  // namespace dng::cpu
