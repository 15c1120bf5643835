// [shortcut]: output = f(input + earlier output); on the packaged host alpha input + beta earlier, and with its
// strided, zero-padded form for other shapes. The host's kernel.
#pragma once

#include "graph/op.h"

namespace dng::layers {

graph::Op shortcut_op();

}  // namespace dng::layers
