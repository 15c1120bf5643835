// Checks an analytic gradient against differences of the loss, in double precision.
//
//   loss       double(const std::vector<double>& x): a pure function of x
//   gradient   dL/dx at x (not Darknet's delta, which is its negative)
//   estimate   D(h) = (L(x+h) - L(x-h)) / 2h at h and h/2, combined as (4 D(h/2) - D(h)) / 3: its error is of order h^4
//   step       h_i = step * max(1, |x_i|); divided by the distance really taken between the two points
//   error      |numeric - analytic| / max(|numeric|, |analytic|, floor), where
//              floor = max(floor_share * median |numeric|, the caller's floor): a coordinate far below the others is
//              judged on their scale, because its differences hold rounding only
//   kinks      a predicate names the coordinates whose interval holds a kink (an arg max that changes, a relu at zero);
//              they are left out, and too many of them fail the check: a check of nothing must not pass
//
// The median gradient must be `minimum_signal` times the absolute tolerance, which is tolerance * floor or, where
// larger, what the rounding of the loss lets through. Otherwise a zero gradient would pass: the caller has to choose
// another point.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace dng::test {

using LossFunction = std::function<double(const std::vector<double>&)>;
using GradientFunction = std::function<std::vector<double>(const std::vector<double>&)>;
// True where the loss may have a kink while coordinate `index` moves within +-step of x[index].
using KinkPredicate = std::function<bool(const std::vector<double>& x, std::size_t index, double step)>;

struct GradientCheckOptions {
  double tolerance = 1e-6;       // the largest relative error that passes
  double step = 1e-3;            // relative to max(1, |x_i|)
  double floor_share = 0.05;     // floor of the denominator as a share of the median |gradient|
  double floor = 0;              // ... and absolute, for a gradient that is exact to that much only
  double minimum_signal = 10;    // median |gradient| over absolute tolerance
  double maximum_skipped = 0.1;  // share of the coordinates that the kink predicate may leave out
  KinkPredicate near_kink;       // none: no coordinate is skipped
};

struct GradientCheckResult {
  bool ok = false;
  double max_relative_error = std::numeric_limits<double>::infinity();
  std::size_t worst_index = 0;
  double worst_analytic = 0;
  double worst_numeric = 0;
  // Of the numeric gradient: a wrong analytic one must not choose the scale that it is judged on.
  double median_gradient = 0;
  std::size_t checked = 0;
  std::size_t skipped = 0;
  std::string message;  // one line that says what was found, also where ok

  explicit operator bool() const { return ok; }
};

namespace internal {

inline double median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  const double upper = values[middle];
  if (values.size() % 2 == 1) return upper;
  return (*std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle)) + upper) / 2;
}

// D(h); notes in `scale` the largest |loss| met, for the estimate of rounding.
inline double central_difference(const LossFunction& loss, std::vector<double>* x, std::size_t index, double step,
                                 double* scale) {
  const double centre = (*x)[index];
  const double above = centre + step;
  const double below = centre - step;
  (*x)[index] = above;
  const double loss_above = loss(*x);
  (*x)[index] = below;
  const double loss_below = loss(*x);
  (*x)[index] = centre;
  *scale = std::max({*scale, std::fabs(loss_above), std::fabs(loss_below)});
  return (loss_above - loss_below) / (above - below);
}

inline bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace internal

inline GradientCheckResult check_gradient(const LossFunction& loss, const std::vector<double>& x,
                                          const std::vector<double>& gradient,
                                          const GradientCheckOptions& options = GradientCheckOptions()) {
  GradientCheckResult result;
  std::ostringstream text;
  const auto finish = [&]() {
    result.message = text.str();
    return result;
  };
  if (x.empty() || gradient.size() != x.size()) {
    text << "gradient of " << gradient.size() << " coordinates for a point of " << x.size();
    return finish();
  }
  if (!internal::all_finite(x) || !internal::all_finite(gradient)) {
    text << "the point or the analytic gradient is not finite";
    return finish();
  }

  std::vector<double> point = x;
  std::vector<std::size_t> indices;
  std::vector<double> numeric;
  std::vector<double> magnitudes;
  double scale = 0;
  double smallest_step = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double step = options.step * std::max(1.0, std::fabs(x[i]));
    if (options.near_kink && options.near_kink(x, i, step)) {
      ++result.skipped;
      continue;
    }
    const double coarse = internal::central_difference(loss, &point, i, step, &scale);
    const double fine = internal::central_difference(loss, &point, i, step / 2, &scale);
    indices.push_back(i);
    numeric.push_back((4 * fine - coarse) / 3);
    magnitudes.push_back(std::fabs(numeric.back()));
    smallest_step = std::min(smallest_step, step);
  }
  result.checked = indices.size();
  if (indices.empty() ||
      static_cast<double>(result.skipped) > options.maximum_skipped * static_cast<double>(x.size())) {
    text << result.skipped << " of " << x.size() << " coordinates lie at a kink; at most "
         << options.maximum_skipped * 100 << " % may";
    return finish();
  }
  if (!internal::all_finite(numeric)) {
    text << "the loss is not finite around the point";
    return finish();
  }

  result.median_gradient = internal::median(magnitudes);
  const double floor = std::max(options.floor_share * result.median_gradient, options.floor);
  // Each loss is taken to be off by a few units in the last place; D(h/2) enters with 4/3.
  const double rounding = 8 * std::numeric_limits<double>::epsilon() * scale / smallest_step;
  const double absolute_tolerance = std::max(options.tolerance * floor, rounding);
  if (!(result.median_gradient > 0) || result.median_gradient < options.minimum_signal * absolute_tolerance) {
    text << "the median gradient " << result.median_gradient << " is below " << options.minimum_signal
         << " times the absolute tolerance " << absolute_tolerance << ": this point shows nothing";
    return finish();
  }

  result.max_relative_error = 0;
  for (std::size_t n = 0; n < indices.size(); ++n) {
    const double analytic = gradient[indices[n]];
    const double denominator = std::max({std::fabs(analytic), std::fabs(numeric[n]), floor});
    const double error = std::fabs(analytic - numeric[n]) / denominator;
    if (n == 0 || error > result.max_relative_error) {
      result.max_relative_error = error;
      result.worst_index = indices[n];
      result.worst_analytic = analytic;
      result.worst_numeric = numeric[n];
    }
  }
  result.ok = result.max_relative_error <= options.tolerance;
  text << "largest relative error " << result.max_relative_error << " (tolerance " << options.tolerance
       << ") at coordinate " << result.worst_index << ": analytic " << result.worst_analytic << ", numeric "
       << result.worst_numeric << "; median " << result.median_gradient << ", " << result.checked << " checked, "
       << result.skipped << " skipped";
  return finish();
}

inline GradientCheckResult check_gradient(const LossFunction& loss, const GradientFunction& gradient,
                                          const std::vector<double>& x,
                                          const GradientCheckOptions& options = GradientCheckOptions()) {
  return check_gradient(loss, x, gradient(x), options);
}

}  // namespace dng::test
