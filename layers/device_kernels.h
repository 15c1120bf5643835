// The kernels that there are for a GPU: one explicit list, sorted by section. Each is made in the layer's .cu.
#pragma once

#include <memory>

#include "gpu/kernel.h"
#include "gpu/launch.h"

namespace dng::DNG_GPU {

// Null where the section has no kernel, or none for the layer's options.
std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer);

std::unique_ptr<gpu::Kernel> make_activation(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_avgpool(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_batchnorm(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_confidence_penalty(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_connected(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_convolutional(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_distill(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_dropout(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_label_smoothing(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_local_avgpool(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_maxpool(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_route(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_shortcut(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_softmax(const graph::LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_tsd(const graph::LayerConfig& layer);

}  // namespace dng::DNG_GPU
