// The loops of data/resample.cpp for one instruction set, whose vectors have kWidth numbers. Included once for each, in
// a namespace of its own: no guard, and nothing of the standard library.

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int32_t Pixels __attribute__((vector_size(kWidth * sizeof(int32_t)), aligned(1), may_alias));
typedef int32_t Places __attribute__((vector_size(kWidth * sizeof(int32_t)), aligned(sizeof(int32_t)), may_alias));

// The values of R, G or B. A pixel's first byte is the lowest of the number.
DNG_INLINE Vector values(const uint8_t* pixels, int channel) {
  return __builtin_convertvector((*reinterpret_cast<const Pixels*>(pixels) >> (8 * channel)) & 255, Vector);
}

template <int kChannels>
DNG_INLINE void blend_channels(const uint8_t* a, const uint8_t* b, float weight_a, float weight_b, size_t width,
                               size_t plane, float* out) {
  size_t x = 0;
  for (; x + kWidth <= width; x += kWidth) {
#pragma GCC unroll 3
    for (int c = 0; c < kChannels; ++c) {
      *reinterpret_cast<Vector*>(out + c * plane + x) =
          weight_a * values(a + 4 * x, c) + weight_b * values(b + 4 * x, c);
    }
  }
  for (; x < width; ++x) {
    for (int c = 0; c < kChannels; ++c) {
      out[c * plane + x] = weight_a * static_cast<float>(a[4 * x + c]) + weight_b * static_cast<float>(b[4 * x + c]);
    }
  }
}

template <int kChannels>
DNG_INLINE void add_channels(const uint8_t* a, float weight, size_t width, size_t plane, float* out) {
  size_t x = 0;
  for (; x + kWidth <= width; x += kWidth) {
#pragma GCC unroll 3
    for (int c = 0; c < kChannels; ++c) {
      *reinterpret_cast<Vector*>(out + c * plane + x) += weight * values(a + 4 * x, c);
    }
  }
  for (; x < width; ++x) {
    for (int c = 0; c < kChannels; ++c) out[c * plane + x] += weight * static_cast<float>(a[4 * x + c]);
  }
}

// The numbers at in + places; all below kVectors * kWidth where kVectors is not 0.
template <int kVectors>
DNG_INLINE Vector pick(const float* in, const int32_t* places) {
  if constexpr (kWidth == 4) return Vector{in[places[0]], in[places[1]], in[places[2]], in[places[3]]};
#ifdef DNG_SIMD_TARGETS
  const auto vector = [&](int v) DNG_INLINE_LAMBDA { return *reinterpret_cast<const Vector*>(in + v * kWidth); };
  const Places& of = *reinterpret_cast<const Places*>(places);
#ifdef __clang__
  if constexpr (kVectors == 1 && kWidth == 8) return __builtin_ia32_permvarsf256(vector(0), of);
  if constexpr (kVectors == 2 && kWidth == 8) {
    return of < kWidth ? __builtin_ia32_permvarsf256(vector(0), of) : __builtin_ia32_permvarsf256(vector(1), of);
  }
  if constexpr (kVectors == 1 && kWidth == 16) return __builtin_ia32_permvarsf512(vector(0), of);
  if constexpr (kVectors == 2 && kWidth == 16) return __builtin_ia32_vpermi2varps512(vector(0), of, vector(1));
#else
  if (kVectors == 1) return __builtin_shuffle(vector(0), of);
  if (kVectors == 2) return __builtin_shuffle(vector(0), vector(1), of);
#endif
#endif
  Vector picked;
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) picked[i] = in[places[i]];
  return picked;
}

// All channels of a group of output pixels, so that the weights are loaded once. kTaps 0: any number.
template <int kChannels, int kVectors, int kTaps>
DNG_INLINE void filter_groups(const float* row, size_t in_plane, const Columns& columns, size_t width, size_t plane,
                              float* out) {
  const int32_t* places = columns.places.data();
  const float* weights = columns.weights.data();
  for (size_t x = 0, group = 0; x < width; x += kWidth, ++group, places += kWidth) {
    const float* in = row + columns.first[group];
    Vector sums[kChannels] = {};
    const auto tap = [&]() DNG_INLINE_LAMBDA {
      const Vector weight = *reinterpret_cast<const Vector*>(weights);
#pragma GCC unroll 3
      for (int c = 0; c < kChannels; ++c) sums[c] += weight * pick<kVectors>(in + c * in_plane, places);
      ++in;
      weights += kWidth;
    };
    if (kTaps == 0) {
      for (int t = 0; t < columns.taps; ++t) tap();
    } else {
      tap();
      tap();
      if (kTaps == 3) tap();
    }
#pragma GCC unroll 3
    for (int c = 0; c < kChannels; ++c) {
      const Vector value = sums[c] * kShare + sums[c] * kRest;
      float* to = out + c * plane + x;
      if (x + kWidth <= width) {
        *reinterpret_cast<Vector*>(to) = value;
      } else {
        __builtin_memcpy(to, &value, (width - x) * sizeof(float));
      }
    }
  }
}

template <int kChannels, int kVectors>
DNG_INLINE void filter_taps(const float* row, size_t in_plane, const Columns& columns, size_t width, size_t plane,
                            float* out) {
  if (columns.taps == 2) return filter_groups<kChannels, kVectors, 2>(row, in_plane, columns, width, plane, out);
  if (columns.taps == 3) return filter_groups<kChannels, kVectors, 3>(row, in_plane, columns, width, plane, out);
  filter_groups<kChannels, kVectors, 0>(row, in_plane, columns, width, plane, out);
}

template <int kChannels>
DNG_INLINE void filter_channels(const float* row, size_t in_plane, const Columns& columns, size_t width, size_t plane,
                                float* out) {
  // There is an instruction for it from AVX2 on.
  const int vectors = kWidth > 4 ? columns.reach / kWidth + 1 : 0;
  if (vectors == 1) return filter_taps<kChannels, 1>(row, in_plane, columns, width, plane, out);
  if (vectors == 2) return filter_taps<kChannels, 2>(row, in_plane, columns, width, plane, out);
  filter_taps<kChannels, 0>(row, in_plane, columns, width, plane, out);
}

static void blend(int channels, const uint8_t* a, const uint8_t* b, float weight_a, float weight_b, size_t width,
                  size_t plane, float* out) {
  if (channels == 3) return blend_channels<3>(a, b, weight_a, weight_b, width, plane, out);
  blend_channels<1>(a, b, weight_a, weight_b, width, plane, out);
}

static void add(int channels, const uint8_t* a, float weight, size_t width, size_t plane, float* out) {
  if (channels == 3) return add_channels<3>(a, weight, width, plane, out);
  add_channels<1>(a, weight, width, plane, out);
}

static void filter(int channels, const float* row, size_t in_plane, const Columns& columns, size_t width, size_t plane,
                   float* out) {
  if (channels == 3) return filter_channels<3>(row, in_plane, columns, width, plane, out);
  filter_channels<1>(row, in_plane, columns, width, plane, out);
}

constexpr Loops kLoops = {kWidth, blend, add, filter};
