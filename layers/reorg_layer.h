// [reorg]: moves blocks of space into channels. The host's kernel.
#pragma once

#include "engine/op.h"

namespace dng {

Op reorg_op();

}  // namespace dng
