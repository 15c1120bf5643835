#include "cpu/layout.h"

#include "base/instructions.h"

namespace dng::cpu {

int block_channels() {
  if (instructions() == Instructions::kAvx512) return 16;
  return instructions() == Instructions::kNeon ? 4 : 8;
}

}  // namespace dng::cpu
