// The order in which partial sums are added: of an even number the halves first, then the two; an odd number one after
// the other. So whoever has an aligned half, quarter, ... of the parts sums them alone, and the result is the same.
#pragma once

namespace dng {

// Calls add(to, from) for "part `to` += part `from`" until part `first` is the sum of `count`.
template <class Add>
void for_sum_tree(int count, const Add& add, int first = 0) {
  if (count % 2 != 0) {
    for (int i = 1; i < count; ++i) add(first, first + i);
    return;
  }
  const int half = count / 2;
  if (half > 1) {
    for_sum_tree(half, add, first);
    for_sum_tree(half, add, first + half);
  }
  add(first, first + half);
}

}  // namespace dng
