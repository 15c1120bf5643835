// The kernels of the layers for a GPU.
#pragma once

#include <memory>

#include "gpu/kernel.h"
#include "gpu/launch.h"
#include "layers/layer_options.h"

namespace dng::DNG_GPU {

// Null where the layer has no kernel, or none for its options.
std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer);

#define LAYER(name) std::unique_ptr<gpu::Kernel> make_##name(const graph::LayerConfig& layer);
#define CPU_LAYER(name)
#define COST(name)
#include "layers/layers.def"

}  // namespace dng::DNG_GPU
