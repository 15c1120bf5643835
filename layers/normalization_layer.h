// [normalization]: local response normalisation over channels (AlexNet). The host's kernel; alias [lrn].
#pragma once

#include "engine/op.h"

namespace dng {

Op normalization_op();

}  // namespace dng
