#include "layers/registry.h"

#include "layers/ops.h"

namespace dng::layers {

const graph::Ops& all_ops() {
  static const graph::Ops ops = [] {
    graph::Ops made = {
#define LAYER(name) name##_op(),
#define COST(name) LAYER(name)
#include "layers/layers.def"
    };
    for (graph::Op& op : made) {
      if (op.kind == graph::Op::Kind::kLayer) graph::add_common_options(&op);
    }
    return made;
  }();
  return ops;
}

graph::NetworkConfig read_network_config(const std::string& path, cfg::Reading reading) {
  return graph::read_network_config(path, all_ops(), reading);
}

}  // namespace dng::layers
