#include "layers/activation_layer.h"

#include "layers/layer_options.h"

namespace dng {

Op activation_op() {
  Op op("activation", Op::Kind::kLayer, "an activation function on its own");
  op.option(activation_option("linear"));
  add_common_options(&op);
  return op;
}

}  // namespace dng
