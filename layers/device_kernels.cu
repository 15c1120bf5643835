#include "layers/device_kernels.h"

#include <map>
#include <string>

#include "layers/costs/cost_kernel.h"

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer) {
  using Factory = std::unique_ptr<gpu::Kernel> (*)(const graph::LayerConfig&);
  static const std::map<std::string, Factory> factories = {
#define LAYER(name) {#name, make_##name},
#define COST(name) {#name, [](const graph::LayerConfig& config) { return make_cost(layers::name##_formula(config)); }},
#include "layers/layers.def"
  };
  return factories.at(layer.op->section)(layer);
}

}  // namespace dng::DNG_GPU
