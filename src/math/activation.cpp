#include "math/activation.h"

#include <map>

namespace dng::math {

bool find_activation(const std::string& name, Activation* activation) {
  static const std::map<std::string, Activation> known = {
      {"linear", Activation::kLinear},      {"relu", Activation::kRelu},   {"leaky", Activation::kLeaky},
      {"logistic", Activation::kLogistic},  {"tanh", Activation::kTanh},   {"elu", Activation::kElu},
      {"relu6", Activation::kRelu6},        {"ramp", Activation::kRamp},   {"loggy", Activation::kLoggy},
      {"selu", Activation::kSelu},          {"swish", Activation::kSwish}, {"mish", Activation::kMish},
      {"hard_mish", Activation::kHardMish}, {"gelu", Activation::kGelu}};
  const auto found = known.find(name);
  if (found == known.end()) return false;
  *activation = found->second;
  return true;
}

}  // namespace dng::math
