#include "cpu/convolution/convolution_shape.h"

#include <algorithm>
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

namespace {

// The fewest groups whose channels fill blocks, up to 4: with more, most products are of zeros. 0: none.
int groups_of_blocks(const ConvolutionShape& shape) {
  const int block = block_channels(), in = shape.in.channels / shape.groups, out = shape.out.channels / shape.groups;
  for (const int count : {1, 2, 4}) {
    if (shape.groups % count == 0 && in * count % block == 0 && out * count % block == 0) return count;
  }
  return 0;
}

}  // namespace

int ConvolutionShape::merged_groups() const {
  const bool plain = in_layout == Layout::kPlain && out_layout == Layout::kPlain;
  return groups == 1 || plain || depthwise() ? 1 : std::max(1, groups_of_blocks(*this));
}

bool ConvolutionShape::groups_fit_blocks() const {
  return groups == 1 || (depthwise() ? in.channels % block_channels() == 0 : groups_of_blocks(*this) > 0);
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
