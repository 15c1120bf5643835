// [avgpool]: the mean over height and width. [C][H][W] -> [C][1][1]. The host's kernel.
#pragma once

#include "engine/op.h"

namespace dng {

Op avgpool_op();

}  // namespace dng
