// The loops of cpu/loops/row_math.h for one instruction set, whose vectors have kWidth floats. Included once for each,
// in a namespace of its own: no guard, and nothing of the standard library.
//
// Vectors of the machine's own width, because wider ones are compared number by number. What a loop reads of its lanes
// is loaded before it; sums are several that do not wait for each other.

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));
// In memory. A template does not deduce the alignment.
typedef float Stored __attribute__((vector_size(kWidth * sizeof(float)), aligned(sizeof(float)), may_alias));
constexpr int kVectors = kLanes / kWidth;  // for all lanes

// The constants of the lanes.
struct Constants {
  explicit DNG_INLINE Constants(const float* lanes) : lanes_(lanes) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) vectors_[v] = *reinterpret_cast<const Stored*>(lanes + v * kWidth);
  }
  DNG_INLINE Vector of(Vector, size_t lane) const { return vectors_[lane / kWidth]; }
  DNG_INLINE float of(float, size_t lane) const { return lanes_[lane]; }

 private:
  const float* lanes_;
  Vector vectors_[kVectors];
};

// kParts sums of every lane, added to what is in `lanes` at the end.
template <int kParts>
struct Sums {
  DNG_INLINE void add(const Vector& x, size_t lane, int part) { vectors_[part][lane / kWidth] += x; }
  DNG_INLINE void add(float x, size_t lane, int) { reinterpret_cast<float*>(vectors_[0])[lane] += x; }
  DNG_INLINE void finish(float* lanes) const {
    for (int v = 0; v < kVectors; ++v) {
      Vector sum = vectors_[0][v];
      for (int part = 1; part < kParts; ++part) sum += vectors_[part][v];
      *reinterpret_cast<Stored*>(lanes + v * kWidth) += sum;
    }
  }

 private:
  Vector vectors_[kParts][kVectors] = {};
};

// Calls body(T(), i, lane, part) for every vector of a row, then with T = float for each of the rest.
template <int kParts, class Body>
DNG_INLINE void for_lanes(size_t n, const Body& body) {
  size_t i = 0;
  while (i + kParts * kLanes <= n) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part, i += kLanes) {
#pragma GCC unroll 4
      for (int lane = 0; lane < kLanes; lane += kWidth) body(Vector{}, i + static_cast<size_t>(lane), lane, part);
    }
  }
  if (kParts > 1) {
    for (; i + kLanes <= n; i += kLanes) {
#pragma GCC unroll 4
      for (int lane = 0; lane < kLanes; lane += kWidth) body(Vector{}, i + static_cast<size_t>(lane), lane, 0);
    }
  }
  for (int lane = 0; i < n; ++lane, ++i) body(0.0f, i, lane, 0);
}

DNG_INLINE Vector in(Vector, const float* p, size_t i) { return *reinterpret_cast<const Stored*>(p + i); }
DNG_INLINE float in(float, const float* p, size_t i) { return p[i]; }
DNG_INLINE void put(Vector value, float* p, size_t i) { *reinterpret_cast<Stored*>(p + i) = value; }
DNG_INLINE void put(float value, float* p, size_t i) { p[i] = value; }

// Written so that NaN stays NaN and is noticed.
template <class T>
DNG_INLINE T rectified(const T& value) {
  const T zero = {};
  return value < zero ? zero : value;
}
template <class T>
DNG_INLINE T where_positive(const T& value, const T& then, const T& otherwise) {
  const T zero = {};
  return value > zero ? then : otherwise;
}

typedef int Integers __attribute__((vector_size(kWidth * sizeof(int))));
template <class T>
struct IntegerOf {
  typedef Integers Type;
};
template <>
struct IntegerOf<float> {
  typedef int Type;
};
template <class To, class From>
DNG_INLINE To bits_of(const From& from) {
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}

// e^x to 2 ulp for -87 < x < 88, and that of the nearest bound outside; NaN stays NaN. x = n ln 2 + r with |r| <= ln 2
// / 2; e^r by its Taylor polynomial of degree 7.
template <class T>
DNG_INLINE T exponential(T x) {
  using Integer = typename IntegerOf<T>::Type;
  const T low = T{} - 87.0f, high = T{} + 88.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const T shift = T{} + 12582912.0f;  // 1.5 * 2^23: rounds, and leaves n in the low bits
  const T rounded = x * 1.44269504f + shift;
  const T n = rounded - shift;
  const T r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  T p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const Integer exponent = (bits_of<Integer>(rounded) - bits_of<Integer>(shift) + 127) << 23;
  return p * bits_of<T>(exponent);
}

// y = f(x), delta *= f'(x); see math/activation.h for the formulas.
struct Swish {
  template <class T>
  static DNG_INLINE T value(const T& x) {
    return x / (exponential(-x) + 1.0f);
  }
  template <class T>
  static DNG_INLINE T gradient(const T& x) {
    const T u = exponential(-x), sigma = 1.0f / (u + 1.0f);
    return sigma * (x * (u * sigma) + 1.0f);
  }
};
struct Mish {
  template <class T>
  static DNG_INLINE T value(const T& x) {
    const T twenty = T{} + 20.0f;
    const T e = exponential(x > twenty ? twenty : x), n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
  }
  template <class T>
  static DNG_INLINE T gradient(const T& x) {
    const T twenty = T{} + 20.0f, one = T{} + 1.0f;
    const T e = exponential(x > twenty ? twenty : x), n = e * (e + 2.0f), w = 1.0f / (n + 2.0f);
    const T slope = n * w + (x * 4.0f * e * w) * ((e + 1.0f) * w);
    return x > twenty ? one : slope;
  }
};

template <class Function>
void activate(float* x, size_t n) {
  for_lanes<1>(n, [&](auto t, size_t i, size_t, int)
                      DNG_INLINE_LAMBDA { put(Function::value(decltype(t)(in(t, x, i))), x, i); });
}

template <class Function>
void scale_by_gradient(const float* x, size_t n, float* delta) {
  for_lanes<1>(n, [&](auto t, size_t i, size_t, int) DNG_INLINE_LAMBDA {
    put(in(t, delta, i) * Function::gradient(decltype(t)(in(t, x, i))), delta, i);
  });
}

template <math::Activation activation>
void affine(const float* x, size_t n, const float* mean, const float* factor, const float* shift, float* y) {
  const Constants m(mean), f(factor), s(shift);
  for_lanes<1>(n, [&](auto t, size_t i, size_t lane, int) DNG_INLINE_LAMBDA {
    const auto value = (in(t, x, i) - m.of(t, lane)) * f.of(t, lane) + s.of(t, lane);
    if (activation == math::Activation::kRelu) return put(rectified(value), y, i);
    if (activation == math::Activation::kLeaky) return put(where_positive(value, value, 0.1f * value), y, i);
    if (activation == math::Activation::kSwish) return put(Swish::value(decltype(t)(value)), y, i);
    if (activation == math::Activation::kMish) return put(Mish::value(decltype(t)(value)), y, i);
    put(value, y, i);
  });
}

void below_zero_gradient(const float* y, size_t n, float below, float* delta) {
  for_lanes<1>(n, [&](auto t, size_t i, size_t, int) DNG_INLINE_LAMBDA {
    const auto given = in(t, delta, i);
    put(where_positive(in(t, y, i), given, below * given), delta, i);
  });
}

template <math::Activation activation>
void add(const float* a, const float* b, size_t n, float* y) {
  for_lanes<1>(n, [&](auto t, size_t i, size_t, int) DNG_INLINE_LAMBDA {
    const auto value = in(t, a, i) + in(t, b, i);
    put(activation == math::Activation::kRelu ? rectified(value) : value, y, i);
  });
}

void accumulate(const float* from, size_t n, float* to) {
  for_lanes<1>(n, [&](auto t, size_t i, size_t, int) DNG_INLINE_LAMBDA { put(in(t, to, i) + in(t, from, i), to, i); });
}

void sum(const float* x, size_t n, float* acc) {
  Sums<4> sums;
  for_lanes<4>(n,
               [&](auto t, size_t i, size_t lane, int part) DNG_INLINE_LAMBDA { sums.add(in(t, x, i), lane, part); });
  sums.finish(acc);
}

void squares(const float* x, size_t n, const float* mean, float* acc) {
  const Constants m(mean);
  Sums<4> sums;
  for_lanes<4>(n, [&](auto t, size_t i, size_t lane, int part) DNG_INLINE_LAMBDA {
    const auto d = in(t, x, i) - m.of(t, lane);
    sums.add(d * d, lane, part);
  });
  sums.finish(acc);
}

void gradient_sums(const float* delta, const float* x, size_t n, const float* mean, float* sum, float* product) {
  const Constants m(mean);
  Sums<2> sums, products;
  for_lanes<2>(n, [&](auto t, size_t i, size_t lane, int part) DNG_INLINE_LAMBDA {
    const auto gradient = in(t, delta, i);
    sums.add(gradient, lane, part);
    products.add(gradient * (in(t, x, i) - m.of(t, lane)), lane, part);
  });
  sums.finish(sum);
  products.finish(product);
}

void below_zero_sums(float* delta, const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                     float below, float* sum, float* product) {
  const Constants m(mean), f(factor), s(shift);
  Sums<2> sums, products;
  for_lanes<2>(n, [&](auto t, size_t i, size_t lane, int part) DNG_INLINE_LAMBDA {
    const auto centred = in(t, x, i) - m.of(t, lane);
    const auto given = in(t, delta, i);
    const auto gradient = where_positive(centred * f.of(t, lane) + s.of(t, lane), given, below * given);
    put(gradient, delta, i);
    sums.add(gradient, lane, part);
    products.add(gradient * centred, lane, part);
  });
  sums.finish(sum);
  products.finish(product);
}

template <class Function>
void function_sums(float* delta, const float* x, size_t n, const float* mean, const float* factor, const float* shift,
                   float* sum, float* product) {
  const Constants m(mean), f(factor), s(shift);
  Sums<2> sums, products;
  for_lanes<2>(n, [&](auto t, size_t i, size_t lane, int part) DNG_INLINE_LAMBDA {
    const decltype(t) centred = in(t, x, i) - m.of(t, lane);
    const decltype(t) argument = centred * f.of(t, lane) + s.of(t, lane);
    const decltype(t) gradient = in(t, delta, i) * Function::gradient(argument);
    put(gradient, delta, i);
    sums.add(gradient, lane, part);
    products.add(gradient * centred, lane, part);
  });
  sums.finish(sum);
  products.finish(product);
}

template <bool adds>
void normalise_gradient(const float* delta, const float* x, size_t n, const float* mean, const float* direct,
                        const float* slope, const float* constant, float* y) {
  const Constants m(mean), d(direct), s(slope), c(constant);
  for_lanes<1>(n, [&](auto t, size_t i, size_t lane, int) DNG_INLINE_LAMBDA {
    const auto value = in(t, delta, i) * d.of(t, lane) + (in(t, x, i) - m.of(t, lane)) * s.of(t, lane) + c.of(t, lane);
    put(adds ? in(t, y, i) + value : value, y, i);
  });
}

constexpr Loops kLoops = {
    affine<math::Activation::kLinear>,
    affine<math::Activation::kRelu>,
    affine<math::Activation::kLeaky>,
    affine<math::Activation::kSwish>,
    affine<math::Activation::kMish>,
    below_zero_gradient,
    add<math::Activation::kLinear>,
    add<math::Activation::kRelu>,
    accumulate,
    sum,
    squares,
    gradient_sums,
    below_zero_sums,
    function_sums<Swish>,
    function_sums<Mish>,
    normalise_gradient<false>,
    normalise_gradient<true>,
    activate<Swish>,
    activate<Mish>,
    scale_by_gradient<Swish>,
    scale_by_gradient<Mish>,
};
