#include "cpu/convolution/convolution_shape.h"

#include <utility>

#include "base/instructions.h"

namespace dng::cpu {

bool winograd_fits(const ConvolutionShape& shape) {
  const data::Geometry& out = shape.out;
  return !shape.direct_only && shape.size == 3 && !shape.strides() && shape.dilation == 1 && shape.groups == 1 &&
         shape.padding <= 2 && shape.in_layout == Layout::kBlocked && shape.out_layout == Layout::kBlocked &&
         instructions() != Instructions::kAny &&
         kWinogradPoints * winograd_tiles(out) * 4 <= 3 * 9 * out.height * out.width;
}

WinogradShape winograd_shape(const ConvolutionShape& shape) {
  WinogradShape s;
  s.micro_batch = shape.micro_batch;
  s.in = {shape.stored_in(), shape.in.height, shape.in.width};
  s.out = {shape.stored_out(), shape.out.height, shape.out.width};
  s.padding = shape.padding;
  return s;
}

WinogradShape rotated_winograd_shape(const ConvolutionShape& shape) {
  WinogradShape s = winograd_shape(shape);
  std::swap(s.in, s.out);
  s.padding = shape.size - 1 - shape.padding;
  return s;
}

}  // namespace dng::cpu
