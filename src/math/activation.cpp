#include "math/activation.h"

namespace dng::math {

const std::map<std::string, Activation>& activation_names() {
  static const std::map<std::string, Activation> names = {
      {"linear", Activation::kLinear},     {"relu", Activation::kRelu},   {"leaky", Activation::kLeaky},
      {"logistic", Activation::kLogistic}, {"tanh", Activation::kTanh},   {"elu", Activation::kElu},
      {"relu6", Activation::kRelu6},       {"ramp", Activation::kRamp},   {"loggy", Activation::kLoggy},
      {"selu", Activation::kSelu},         {"relie", Activation::kRelie}, {"plse", Activation::kPlse},
      {"hardtan", Activation::kHardtan},   {"lhtan", Activation::kLhtan}, {"stair", Activation::kStair},
      {"swish", Activation::kSwish},       {"mish", Activation::kMish},   {"hard_mish", Activation::kHardMish},
      {"gelu", Activation::kGelu}};
  return names;
}

}  // namespace dng::math
