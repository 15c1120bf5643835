#include "layers/registry.h"

namespace dng::layers {

#define LAYER(name) graph::Op name##_op();
#define DARKNET_LAYER(name) LAYER(name)
#define COST(name) LAYER(name)
#include "layers/layers.def"

const graph::Ops& all_ops() {
  static const graph::Ops ops = {
#define LAYER(name) name##_op(),
#define DARKNET_LAYER(name) LAYER(name)
#define COST(name) LAYER(name)
#include "layers/layers.def"
  };
  return ops;
}

graph::NetworkConfig read_network_config(const std::string& path) {
  return graph::read_network_config(path, all_ops());
}

}  // namespace dng::layers
