// The kernels that there are for a GPU: one explicit list, sorted by section. Each is made in the layer's .cu.
#pragma once

#include <memory>

#include "gpu/kernel.h"
#include "gpu/launch.h"

namespace dng::DNG_GPU {

// Null where the section has no kernel, or none for the layer's options.
std::unique_ptr<gpu::Kernel> make_kernel(const LayerConfig& layer);

std::unique_ptr<gpu::Kernel> make_activation(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_avgpool(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_batchnorm(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_confidence_penalty(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_connected(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_convolutional(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_distill(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_dropout(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_label_smoothing(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_local_avgpool(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_maxpool(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_route(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_shortcut(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_softmax(const LayerConfig& layer);
std::unique_ptr<gpu::Kernel> make_tsd(const LayerConfig& layer);

}  // namespace dng::DNG_GPU
