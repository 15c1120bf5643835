// A convolution in double precision that is nothing but its loops, and what the tests of the built-in ones need beside
// it.
//
// Errors are the largest difference over the largest value of a tensor. Direct: 1e-5, rounding of sums of up to some
// thousand products. Winograd: 1e-4, its transformations multiply by up to 8 and divide by up to 24 before they cancel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "cpu/convolution/convolution_shape.h"
#include "cpu/workspace.h"

namespace dng::test {

constexpr double kDirect = 1e-5;
constexpr double kWinograd = 1e-4;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Aligned as all memory that convolutions get: oneDNN's stores may want it.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, std::align_val_t(64)); }
  bool operator==(const AlignedAllocator&) const { return true; }
  bool operator!=(const AlignedAllocator&) const { return false; }
};
using Floats = std::vector<float, AlignedAllocator<float>>;

Floats random_floats(size_t count, uint64_t place);

size_t index_of(const data::Geometry& shape, cpu::Layout layout, int image, int c, int y, int x);

template <class Visit>
void each_element(const data::Geometry& shape, int images, const Visit& visit) {
  for (int b = 0; b < images; ++b) {
    for (int c = 0; c < shape.channels; ++c) {
      for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) visit(b, c, y, x);
      }
    }
  }
}

Floats in_layout(const Floats& plain, const data::Geometry& shape, cpu::Layout layout, int images);

// `expected` is plain. Infinity where a value is NaN.
double error_of(const Floats& found, const data::Geometry& shape, cpu::Layout layout, int images,
                const std::vector<double>& expected);
double error_of(const Floats& found, const std::vector<double>& expected);

struct Errors {
  double forward = 0, data = 0, weights = 0;
  double largest() const;
};

// One convolution and what belongs to it: random values, plain and as stored, and what it gives, plain.
struct Example {
  explicit Example(const cpu::ConvolutionShape& s);
  std::vector<double> forward() const;
  std::vector<double> backward_data() const;
  std::vector<double> backward_weights() const;

  cpu::ConvolutionShape shape;
  size_t weight_count = 0;
  Floats in, out_gradient, weights, stored_in, stored_gradient;
};

// NaN in the memory that will be taken next.
void spoil(cpu::Workspace* workspace);

cpu::ConvolutionShape shape_of(int images, const data::Geometry& in, int filters, int size, int stride, int padding);
std::string text_of(const cpu::ConvolutionShape& s);

}  // namespace dng::test
