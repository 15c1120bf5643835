// Starts kernels on the tensors of a node, whose type is known at run time only: void* among `values` become pointers
// to the body's T, everything else is passed as it is.
#pragma once

#include <type_traits>

#include "gpu/columns.h"
#include "gpu/dispatch.h"
#include "gpu/kernel.h"
#include "gpu/launch.h"

namespace dng::DNG_GPU {

template <class T, class Value>
auto typed(Value value) {
  if constexpr (std::is_same_v<Value, void*>) {
    return static_cast<T*>(value);
  } else if constexpr (std::is_same_v<Value, const void*>) {
    return static_cast<const T*>(value);
  } else {
    return value;
  }
}

// Body<T> for each of `count` elements.
template <template <class> class Body, class... Values>
void each_element(const gpu::Node& node, size_t count, const Values&... values) {
  gpu::with_type(node.type, [&](auto zero) {
    using T = decltype(zero);
    each(*node.gpu, count, Body<T>{typed<T>(values)...});
  });
}

// Body<T, V> for each V elements of the node's output.
template <template <class, int> class Body, class... Values>
void each_vector(const gpu::Node& node, const Values&... values) {
  gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
    using T = decltype(zero);
    constexpr int V = decltype(vector)::value;
    each(*node.gpu, node.size() / V, Body<T, V>{typed<T>(values)...});
  });
}

// The same, with what body.column() reads of V channels.
template <template <class, int> class Body, class... Values>
void each_vector_in_column(const gpu::Node& node, const Values&... values) {
  gpu::with_vectors(node.type, node.out().channels, [&](auto zero, auto vector) {
    using T = decltype(zero);
    constexpr int V = decltype(vector)::value;
    each_in_column(*node.gpu, node.size() / V, static_cast<size_t>(node.out().channels / V),
                   Body<T, V>{typed<T>(values)...});
  });
}

// The sums of Body<T, V> for each channel of the node's output (gpu/columns.h); V divides `width`.
template <template <class, int> class Body, class... Values>
void sum_channels(const gpu::Node& node, int width, const Values&... values) {
  gpu::with_vectors(node.type, width, [&](auto zero, auto vector) {
    using T = decltype(zero);
    constexpr int V = decltype(vector)::value;
    sum_columns<V>(*node.gpu, node.rows(), node.out().channels, node.sums, Body<T, V>{typed<T>(values)...});
  });
}

}  // namespace dng::DNG_GPU
