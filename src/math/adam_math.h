// Adam's update of one parameter value, once for CPU and CUDA; formulas in train/adam.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"

namespace dng::math {

struct AdamSettings {
  double mean_factor = 0.9, square_factor = 0.999, epsilon = 1e-7;  // B1, B2, eps
};

// 1 - B^t, for the t-th update, counted from 1.
struct AdamCorrections {
  float mean = 1, square = 1;
};

inline AdamCorrections adam_corrections(const AdamSettings& settings, int64_t t) {
  const auto number = static_cast<double>(t);
  return {static_cast<float>(1 - std::pow(settings.mean_factor, number)),
          static_cast<float>(1 - std::pow(settings.square_factor, number))};
}

struct AdamRates {
  float rate, pull, mean_factor, square_factor, epsilon;
  AdamCorrections corrections;
};

DNG_HOST_DEVICE inline AdamRates adam_rates(const AdamSettings& settings, const AdamCorrections& corrections,
                                            float rate, float rate_factor, int batch, float decay) {
  return {rate * rate_factor,
          decay * static_cast<float>(batch),
          static_cast<float>(settings.mean_factor),
          static_cast<float>(settings.square_factor),
          static_cast<float>(settings.epsilon),
          corrections};
}

// gradient: negative, summed over the batch.
DNG_HOST_DEVICE inline void adam(const AdamRates& rates, float gradient, float* value, float* mean, float* square) {
  const float d = gradient - rates.pull * *value;
  *mean = rates.mean_factor * *mean + (1 - rates.mean_factor) * d;
  *square = rates.square_factor * *square + (1 - rates.square_factor) * (d * d);
  *value +=
      rates.rate * (*mean / rates.corrections.mean) / (std::sqrt(*square / rates.corrections.square) + rates.epsilon);
}

}  // namespace dng::math
