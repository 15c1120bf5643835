#include "layers/confidence_penalty_layer.h"

#include "layers/cost_device.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_confidence_penalty(const graph::LayerConfig& layer) {
  return make_cost(layers::confidence_penalty_formula(layer));
}

}  // namespace dng::DNG_GPU
