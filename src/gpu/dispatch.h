// From what is known at run time (type, number of channels) to template arguments.
#pragma once

#include <type_traits>

#include "gpu/number.h"

namespace dng::gpu {

// function(T{}) with the type of the elements.
template <class Function>
void with_type(Type type, const Function& function) {
  if (type == Type::kFloat) {
    function(float{});
  } else {
    function(BFloat16{});
  }
}

// function(T{}, V), where V elements are read at once: 16 bytes or half of them if the channels allow it, else 1.
template <class Function>
void with_vectors(Type type, int channels, const Function& function) {
  with_type(type, [&](auto zero) {
    if (sizeof zero == 2 && channels % 8 == 0) {  // NOLINT(bugprone-branch-clone)
      // No float comes here: its 32 bytes are not read at once. For float alone the branches are the same.
      function(zero, std::integral_constant<int, 16 / sizeof zero>());
    } else if (channels % 4 == 0) {
      function(zero, std::integral_constant<int, 4>());
    } else {
      function(zero, std::integral_constant<int, 1>());
    }
  });
}

}  // namespace dng::gpu
