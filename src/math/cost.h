// A cost for one sample, in double precision.
#pragma once

#include <string>

#include "math/cost_row.h"

namespace dng::math {

class Cost {
 public:
  virtual ~Cost() = default;
  // Loss of one sample, and dL/dz in gradient[C]. `epoch` is the epochs done so far. Called from several threads at
  // once.
  virtual double evaluate(const CostRow& row, double epoch, double* gradient) = 0;
  // The options in words, for the start of a run, e.g. "eta 0.428571 (confidence 0.6), k 5, primary top".
  virtual std::string describe() const = 0;
};

}  // namespace dng::math
