#include "tests/data/reference_resize.h"

#include <algorithm>
#include <cmath>

namespace dng::test {

std::vector<std::vector<double>> area_weights(int in, int out) {
  std::vector<std::vector<double>> matrix(static_cast<size_t>(out), std::vector<double>(static_cast<size_t>(in)));
  // Both sides in units of 1 / (in * out): whole numbers, so overlaps are exact.
  for (int64_t i = 0; i < out; ++i) {
    for (int64_t j = 0; j < in; ++j) {
      const int64_t overlap = std::min((i + 1) * in, (j + 1) * out) - std::max(i * in, j * out);
      matrix[static_cast<size_t>(i)][static_cast<size_t>(j)] = static_cast<double>(std::max<int64_t>(0, overlap)) / in;
    }
  }
  return matrix;
}

std::vector<std::vector<double>> linear_weights(int in, int out) {
  std::vector<std::vector<double>> matrix(static_cast<size_t>(out), std::vector<double>(static_cast<size_t>(in)));
  for (int i = 0; i < out; ++i) {
    const double at = (i + .5) * in / out - .5;
    const double before = std::floor(at);
    const auto pixel = [&](double j) { return static_cast<size_t>(std::clamp(j, 0.0, in - 1.0)); };
    matrix[static_cast<size_t>(i)][pixel(before)] += 1 - (at - before);
    matrix[static_cast<size_t>(i)][pixel(before + 1)] += at - before;
  }
  return matrix;
}

std::vector<std::vector<double>> resized_plane(const data::Image& image, int channel, const data::Rectangle& rectangle,
                                               const std::vector<std::vector<double>>& rows,
                                               const std::vector<std::vector<double>>& columns) {
  std::vector<std::vector<double>> rows_resized(static_cast<size_t>(rectangle.height),
                                                std::vector<double>(columns.size()));
  for (int y = 0; y < rectangle.height; ++y) {
    const uint8_t* row = image.planes.data() +
                         (static_cast<size_t>(channel) * image.shape.height + rectangle.y + y) * image.shape.width +
                         rectangle.x;
    for (size_t x = 0; x < columns.size(); ++x) {
      for (size_t j = 0; j < columns[x].size(); ++j) rows_resized[static_cast<size_t>(y)][x] += columns[x][j] * row[j];
    }
  }
  std::vector<std::vector<double>> out(rows.size(), std::vector<double>(columns.size()));
  for (size_t y = 0; y < rows.size(); ++y) {
    for (size_t j = 0; j < rows_resized.size(); ++j) {
      if (rows[y][j] == 0) continue;
      for (size_t x = 0; x < columns.size(); ++x) out[y][x] += rows[y][j] * rows_resized[j][x];
    }
  }
  return out;
}

}  // namespace dng::test
