// [shortcut]: output = f(input + earlier output); on the packaged host alpha input + beta earlier, and with its
// strided, zero-padded form for other shapes. The host's kernel.
#pragma once

#include "engine/op.h"

namespace dng {

Op shortcut_op();

}  // namespace dng
