#include "tests/cpu/convolution/reference_convolution.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "tests/compare.h"

namespace dng::test {
namespace {

// What is in channels that padding added: any finite value.
constexpr float kMeaningless = 5.0f;

// Calls visit(index in the input, in the weights, in the output) for every product; all plain.
template <class Visit>
void each_product(const cpu::ConvolutionShape& s, const Visit& visit) {
  const int in = s.in.channels / s.groups, out = s.out.channels / s.groups;
  each_element(s.out, s.micro_batch, [&](int b, int f, int oy, int ox) {
    const size_t to = index_of(s.out, cpu::Layout::kPlain, b, f, oy, ox);
    for (int c = 0; c < in; ++c) {
      for (int ky = 0; ky < s.size; ++ky) {
        for (int kx = 0; kx < s.size; ++kx) {
          const int y = oy * s.stride_y - s.padding + ky * s.dilation,
                    x = ox * s.stride_x - s.padding + kx * s.dilation;
          if (y < 0 || x < 0 || y >= s.in.height || x >= s.in.width) continue;
          const int weight = ((f * in + c) * s.size + ky) * s.size + kx;
          visit(index_of(s.in, cpu::Layout::kPlain, b, f / out * in + c, y, x), static_cast<size_t>(weight), to);
        }
      }
    }
  });
}

}  // namespace

Floats random_floats(size_t count, uint64_t place) {
  CounterRandom random(17, Stream::kTest, place, 7);
  Floats values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

size_t index_of(const data::Geometry& shape, cpu::Layout layout, int image, int c, int y, int x) {
  const cpu::Rows rows(shape, layout);
  return static_cast<size_t>(image) * rows.size() + rows.offset(c / rows.block) +
         static_cast<size_t>((y * shape.width + x) * rows.block + c % rows.block);
}

Floats in_layout(const Floats& plain, const data::Geometry& shape, cpu::Layout layout, int images) {
  Floats values(cpu::floats_of(shape, layout) * static_cast<size_t>(images), kMeaningless);
  each_element(shape, images, [&](int b, int c, int y, int x) {
    values[index_of(shape, layout, b, c, y, x)] = plain[index_of(shape, cpu::Layout::kPlain, b, c, y, x)];
  });
  return values;
}

double error_of(const Floats& found, const data::Geometry& shape, cpu::Layout layout, int images,
                const std::vector<double>& expected) {
  double difference = 0, largest = 0;
  for (const float value : found) {
    if (!std::isfinite(value)) return kInfinity;
  }
  each_element(shape, images, [&](int b, int c, int y, int x) {
    const double wanted = expected[index_of(shape, cpu::Layout::kPlain, b, c, y, x)];
    const double value = found[index_of(shape, layout, b, c, y, x)];
    difference = std::max(difference, std::fabs(value - wanted));
    largest = std::max(largest, std::fabs(wanted));
  });
  return largest > 0 ? difference / largest : kInfinity;
}

double error_of(const Floats& found, const std::vector<double>& expected) {
  const data::Geometry row{static_cast<int>(expected.size()), 1, 1};
  return error_of(found, row, cpu::Layout::kPlain, 1, expected);
}

double Errors::largest() const { return std::max({forward, data, weights}); }

Example::Example(const cpu::ConvolutionShape& s) : shape(s) {
  const auto images = static_cast<size_t>(s.micro_batch);
  weight_count = static_cast<size_t>(s.out.channels * (s.in.channels / s.groups) * s.size * s.size);
  in = random_floats(images * s.in.size(), 1);
  out_gradient = random_floats(images * s.out.size(), 2);
  weights = random_floats(weight_count, 3);
  stored_in = in_layout(in, s.in, s.in_layout, s.micro_batch);
  stored_gradient = in_layout(out_gradient, s.out, s.out_layout, s.micro_batch);
}

std::vector<double> Example::forward() const {
  std::vector<double> out(out_gradient.size());
  each_product(shape, [&](size_t i, size_t w, size_t o) { out[o] += double{in[i]} * double{weights[w]}; });
  return out;
}
std::vector<double> Example::backward_data() const {
  std::vector<double> gradient(in.size());
  each_product(shape,
               [&](size_t i, size_t w, size_t o) { gradient[i] += double{out_gradient[o]} * double{weights[w]}; });
  return gradient;
}
std::vector<double> Example::backward_weights() const {
  std::vector<double> gradient(weight_count);
  each_product(shape, [&](size_t i, size_t w, size_t o) { gradient[w] += double{out_gradient[o]} * double{in[i]}; });
  return gradient;
}

void spoil(cpu::Workspace* workspace) {
  const cpu::WorkspaceFrame frame(workspace);
  constexpr size_t kCount = 4096;
  for (int i = 0; i < 64; ++i) std::fill_n(workspace->take(kCount), kCount, kNan);
}

cpu::ConvolutionShape shape_of(int images, const data::Geometry& in, int filters, int size, int stride, int padding) {
  cpu::ConvolutionShape shape;
  shape.micro_batch = images;
  shape.in = in;
  shape.out = {filters, (in.height + 2 * padding - size) / stride + 1, (in.width + 2 * padding - size) / stride + 1};
  shape.size = size;
  shape.stride_y = shape.stride_x = stride;
  shape.padding = padding;
  return shape;
}

std::string text_of(const cpu::ConvolutionShape& s) {
  const auto letter = [](cpu::Layout layout) { return layout == cpu::Layout::kBlocked ? 'b' : 'p'; };
  return format("%d x %dx%dx%d (%c) -> %d (%c), size %d, stride %d %d, dilation %d, padding %d, groups %d",
                s.micro_batch, s.in.channels, s.in.height, s.in.width, letter(s.in_layout), s.out.channels,
                letter(s.out_layout), s.size, s.stride_y, s.stride_x, s.dilation, s.padding, s.groups);
}

}  // namespace dng::test
