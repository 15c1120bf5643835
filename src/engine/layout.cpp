#include "engine/layout.h"

#include "base/instructions.h"

namespace dng {

int block_channels() { return instructions() == Instructions::kAvx512 ? 16 : 8; }

}  // namespace dng
