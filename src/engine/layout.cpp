#include "engine/layout.h"

#include <dnnl.hpp>

namespace dng {

int block_channels() {
  static const int channels = [] {
    const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    constexpr auto kWide = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
    return (isa & kWide) == kWide ? 16 : 8;
  }();
  return channels;
}

}  // namespace dng
