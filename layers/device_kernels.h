// The kernels of the layers for a GPU.
#pragma once

#include <memory>

#include "gpu/kernel.h"
#include "gpu/launch.h"
#include "layers/layer_options.h"

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer);

#define LAYER(name) std::unique_ptr<gpu::Kernel> make_##name(const graph::LayerConfig& layer);
#define COST(name)
#include "layers/layers.def"

}  // namespace dng::DNG_GPU
