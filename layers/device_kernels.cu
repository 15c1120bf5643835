#include "layers/device_kernels.h"

#include <map>
#include <string>

namespace dng::DNG_GPU {

std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer) {
  using Factory = std::unique_ptr<gpu::Kernel> (*)(const graph::LayerConfig&);
  static const std::map<std::string, Factory> factories = {
      {"activation", make_activation},
      {"avgpool", make_avgpool},
      {"batchnorm", make_batchnorm},
      {"confidence_penalty", make_confidence_penalty},
      {"connected", make_connected},
      {"convolutional", make_convolutional},
      {"distill", make_distill},
      {"dropout", make_dropout},
      {"label_smoothing", make_label_smoothing},
      {"local_avgpool", make_local_avgpool},
      {"maxpool", make_maxpool},
      {"route", make_route},
      {"shortcut", make_shortcut},
      {"softmax", make_softmax},
      {"tsd", make_tsd},
  };
  const auto found = factories.find(layer.op->section);
  return found == factories.end() ? nullptr : found->second(layer);
}

}  // namespace dng::DNG_GPU
