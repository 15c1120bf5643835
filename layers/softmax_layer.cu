#include "layers/softmax_layer.h"

#include "layers/cost_device.h"
#include "layers/device_kernels.h"

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_softmax(const graph::LayerConfig&) { return make_cost(math::SoftmaxFormula{}); }

}  // namespace dng::DNG_GPU
