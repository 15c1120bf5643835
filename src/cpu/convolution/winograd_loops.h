// The arithmetic of cpu/convolution/winograd_math.h for one instruction set, whose vectors have kWidth floats (a block
// of channels) and whose products keep kRows rows of two vectors in registers, beside those of the panel. Included once
// for each, in a namespace of its own: no guard, and nothing of the standard library but what becomes instructions.

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));
// In memory. A template does not deduce the alignment.
typedef float Stored __attribute__((vector_size(kWidth * sizeof(float)), aligned(sizeof(float)), may_alias));

constexpr int kPatch = 6;
constexpr int kFilter = 3;
constexpr int kPanel = 2 * kWidth;
// With NEON, factors take registers, too: more rows are spilled by GCC.
constexpr int kRows = (kRegisters - (kWidth == 4 ? 12 : 4)) / 2;

DNG_INLINE Vector load(const float* p) { return *reinterpret_cast<const Stored*>(p); }
DNG_INLINE void store(const Vector& value, float* p) { *reinterpret_cast<Stored*>(p) = value; }

// Two sums and differences that three of the transformations below have.
template <class Out>
DNG_INLINE void put_pairs(const Out& o, const Vector& even, const Vector& odd, const Vector& even2,
                          const Vector& odd2) {
  o(1, even + odd);
  o(2, even - odd);
  o(3, even2 + odd2);
  o(4, even2 - odd2);
}

// One line of each transformation: kFrom vectors to kTo.
struct PatchLine {
  static constexpr int kFrom = 6, kTo = 6;
  template <class In, class Out>
  static DNG_INLINE void run(const In& d, const Out& o) {
    const Vector even = d(4) - 4.0f * d(2), odd = d(3) - 4.0f * d(1);
    const Vector even2 = d(4) - d(2), odd2 = 2.0f * (d(3) - d(1));
    o(0, 4.0f * d(0) - 5.0f * d(2) + d(4));
    put_pairs(o, even, odd, even2, odd2);
    o(5, 4.0f * d(1) - 5.0f * d(3) + d(5));
  }
};

struct TileLine {
  static constexpr int kFrom = 6, kTo = 4;
  template <class In, class Out>
  static DNG_INLINE void run(const In& m, const Out& o) {
    const Vector sum = m(1) + m(2), difference = m(1) - m(2);
    const Vector sum2 = m(3) + m(4), difference2 = m(3) - m(4);
    o(0, m(0) + sum + sum2);
    o(1, difference + 2.0f * difference2);
    o(2, sum + 4.0f * sum2);
    o(3, difference + 8.0f * difference2 + m(5));
  }
};

struct TileGradientLine {
  static constexpr int kFrom = 4, kTo = 6;
  template <class In, class Out>
  static DNG_INLINE void run(const In& y, const Out& o) {
    const Vector even = y(0) + y(2), odd = y(1) + y(3);
    const Vector even2 = y(0) + 4.0f * y(2), odd2 = 2.0f * y(1) + 8.0f * y(3);
    o(0, y(0));
    put_pairs(o, even, odd, even2, odd2);
    o(5, y(3));
  }
};

struct FilterLine {
  static constexpr int kFrom = 3, kTo = 6;
  template <class In, class Out>
  static DNG_INLINE void run(const In& g, const Out& o) {
    const Vector even = (g(0) + g(2)) * (-1.0f / 6), odd = g(1) * (-1.0f / 6);
    const Vector even2 = g(0) * (1.0f / 24) + g(2) * (1.0f / 6), odd2 = g(1) * (1.0f / 12);
    o(0, g(0) * 0.25f);
    put_pairs(o, even, odd, even2, odd2);
    o(5, g(2));
  }
};

struct FilterGradientLine {
  static constexpr int kFrom = 6, kTo = 3;
  template <class In, class Out>
  static DNG_INLINE void run(const In& m, const Out& o) {
    const Vector sum = (m(1) + m(2)) * (-1.0f / 6), sum2 = m(3) + m(4);
    o(0, m(0) * 0.25f + sum + sum2 * (1.0f / 24));
    o(1, (m(1) - m(2)) * (-1.0f / 6) + (m(3) - m(4)) * (1.0f / 12));
    o(2, sum + sum2 * (1.0f / 6) + m(5));
  }
};

// L X L^T of a square of vectors: read(y, x), write(y, x, vector). Where it is not kWhole, the columns of X from x0 to
// x1 alone are read; the others are zero. The loops stay loops: unrolled, they would keep the places of all vectors in
// registers.
template <class Line, bool kWhole, class Read, class Write>
DNG_INLINE void transform(int x0, int x1, const Read& read, const Write& write) {
  Vector half[Line::kTo][Line::kFrom];
#pragma GCC unroll 1
  for (int x = 0; x < Line::kFrom; ++x) {
    if (kWhole || (x >= x0 && x < x1)) {
      Line::run([&](int y) { return read(y, x); }, [&](int y, const Vector& value) { half[y][x] = value; });
    } else {
#pragma GCC unroll 6
      for (int y = 0; y < Line::kTo; ++y) half[y][x] = Vector{};
    }
  }
#pragma GCC unroll 1
  for (int y = 0; y < Line::kTo; ++y) {
    Line::run([&](int x) { return half[y][x]; }, [&](int x, const Vector& value) { write(y, x, value); });
  }
}

template <class Line, class Read, class Write>
DNG_INLINE void transform(const Read& read, const Write& write) {
  transform<Line, true>(0, Line::kFrom, read, write);
}

// The square of an image that begins at `place`, transformed, block by block: point[i * step + c].
template <class Line>
DNG_INLINE void transform_square(const float* image, const WinogradPlace& place, float* points, size_t step) {
  static const float kZeros[Line::kFrom * kWidth] = {};
  const data::Geometry& shape = place.shape;
  const auto line = static_cast<ptrdiff_t>(shape.width) * kWidth;
  const int x0 = std::max(0, -place.x), x1 = std::min(Line::kFrom, shape.width - place.x);
  // Lines outside the image are read from the zeros, in all blocks.
  const float* lines[Line::kFrom];
  ptrdiff_t next[Line::kFrom];
  for (int y = 0; y < Line::kFrom; ++y) {
    const bool inside = place.y + y >= 0 && place.y + y < shape.height;
    lines[y] = inside ? image + ((place.y + y) * line + place.x * kWidth) : kZeros;
    next[y] = inside ? line * shape.height : 0;
  }
  for (int block = 0; block < shape.channels / kWidth; ++block, points += kWidth) {
    transform<Line, false>(
        x0, x1, [&](int y, int x) { return load(lines[y] + x * kWidth); },
        [&](int y, int x, const Vector& value) { store(value, points + static_cast<size_t>(y * kPatch + x) * step); });
    for (int y = 0; y < Line::kFrom; ++y) lines[y] += next[y];
  }
}

// kCount rows of out += (a column of in, one number for each row) times (a row of `panel`, kVectors vectors), summed
// over `depth`.
template <int kCount, int kVectors>
DNG_INLINE void multiply(const float* in, size_t in_row, size_t in_step, const float* panel, size_t panel_step,
                         int depth, bool add, float* out, size_t out_row) {
  Vector sums[kCount][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = add ? load(out + static_cast<size_t>(r) * out_row + v * kWidth) : Vector{};
    }
  }
  for (int d = 0; d < depth; ++d, in += in_step, panel += panel_step) {
    Vector values[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) values[v] = load(panel + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
      const float factor = in[static_cast<size_t>(r) * in_row];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[r][v] += factor * values[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(sums[r][v], out + static_cast<size_t>(r) * out_row + v * kWidth);
  }
}

// The same for `count` rows, kMax at most.
template <int kMax, int kVectors, class... Rest>
DNG_INLINE void multiply_some(int count, Rest... rest) {
  if (count == kMax) return multiply<kMax, kVectors>(rest...);
  if constexpr (kMax > 1) multiply_some<kMax - 1, kVectors>(count, rest...);
}

// The same for any number of rows, in parts that are alike.
template <int kVectors>
void multiply_rows(int rows, const float* in, size_t in_row, size_t in_step, const float* panel, size_t panel_step,
                   int depth, bool add, float* out, size_t out_row) {
  for (int parts = (rows + kRows - 1) / kRows; parts > 0; --parts) {
    const int count = rows / parts;
    multiply_some<kRows, kVectors>(count, in, in_row, in_step, panel, panel_step, depth, add, out, out_row);
    rows -= count;
    in += static_cast<size_t>(count) * in_row;
    out += static_cast<size_t>(count) * out_row;
  }
}

void patch(const float* image, const WinogradPlace& place, float* points, size_t step) {
  transform_square<PatchLine>(image, place, points, step);
}

void tile_gradient(const float* image, const WinogradPlace& place, float* points, size_t step) {
  transform_square<TileGradientLine>(image, place, points, step);
}

void tile(const float* points, size_t step, const float* bias, bool relu, const WinogradPlace& place, float* image) {
  const data::Geometry& shape = place.shape;
  const size_t space = static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width) * kWidth;
  const size_t line = static_cast<size_t>(shape.width) * kWidth;
  const int rows = std::min(kWinogradTile, shape.height - place.y);
  const int columns = std::min(kWinogradTile, shape.width - place.x);
  image += static_cast<size_t>(place.y) * line + static_cast<size_t>(place.x) * kWidth;
  const bool whole = rows == kWinogradTile && columns == kWinogradTile;
  for (int block = 0; block < shape.channels / kWidth; ++block, image += space) {
    const float* from = points + block * kWidth;
    const Vector shift = bias != nullptr ? load(bias + block * kWidth) : Vector{};
    const auto read = [&](int y, int x) { return load(from + static_cast<size_t>(y * kPatch + x) * step); };
    const auto finish = [&](const Vector& value) {
      const Vector shifted = value + shift, zero = {};
      // Written so that NaN stays NaN and is noticed.
      return relu ? (shifted < zero ? zero : shifted) : shifted;
    };
    if (whole) {
      transform<TileLine>(read, [&](int y, int x, const Vector& value) {
        store(finish(value), image + static_cast<size_t>(y) * line + x * kWidth);
      });
      continue;
    }
    transform<TileLine>(read, [&](int y, int x, const Vector& value) {
      if (y < rows && x < columns) store(finish(value), image + static_cast<size_t>(y) * line + x * kWidth);
    });
  }
}

void filters(const float* nine, int filters, float* points, size_t step) {
  for (int n = 0; n < filters; n += kWidth) {
    transform<FilterLine>([&](int y, int x) { return load(nine + (y * kFilter + x) * kPanel + n); },
                          [&](int y, int x, const Vector& value) {
                            store(value, points + static_cast<size_t>(y * kPatch + x) * step + n);
                          });
  }
}

void filters_gradient(const float* points, size_t step, int count, size_t sum_step, int filters, float* nine) {
  for (int n = 0; n < filters; n += kWidth) {
    transform<FilterGradientLine>(
        [&](int y, int x) {
          const float* from = points + static_cast<size_t>(y * kPatch + x) * step + n;
          Vector sum = load(from);
          for (int i = 1; i < count; ++i) sum += load(from + static_cast<size_t>(i) * sum_step);
          return sum;
        },
        [&](int y, int x, const Vector& value) { store(value, nine + (y * kFilter + x) * kPanel + n); });
  }
}

void multiply_panels(const float* in, size_t in_row, int tiles, int channels, const float* panels, int filters,
                     bool add, float* out, size_t out_row) {
  const auto depth = static_cast<size_t>(channels);
  for (int n = 0; n < filters; n += kPanel) {
    const float* panel = panels + static_cast<size_t>(n) * depth;
    if (filters - n >= kPanel) {
      multiply_rows<2>(tiles, in, in_row, 1, panel, kPanel, channels, add, out + n, out_row);
    } else {
      multiply_rows<1>(tiles, in, in_row, 1, panel, kWidth, channels, add, out + n, out_row);
    }
  }
}

void multiply_transposed(const float* in, size_t in_row, const float* gradient, size_t gradient_row, int tiles,
                         int channels, int filters, bool add, float* sums) {
  const auto row = static_cast<size_t>(filters);
  for (int n = 0; n < filters; n += kPanel) {
    const auto run = filters - n >= kPanel ? multiply_rows<2> : multiply_rows<1>;
    run(channels, in, 1, in_row, gradient + n, gradient_row, tiles, add, sums + n, row);
  }
}

constexpr Loops kLoops{
    kPanel, patch, tile, tile_gradient, filters, filters_gradient, multiply_panels, multiply_transposed};
