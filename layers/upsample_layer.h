// [upsample]: repeats every pixel stride times in both directions. The host's kernel.
#pragma once

#include "engine/op.h"

namespace dng {

Op upsample_op();

}  // namespace dng
