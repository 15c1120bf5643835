#include "layers/distill_layer.h"

#include "layers/cost_device.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_distill(const graph::LayerConfig& layer) {
  return make_cost(layers::distill_formula(layer), true);
}

}  // namespace dng::DNG_GPU
