// The layers that a cfg can name: layers.def is their list.
#pragma once

#include <string>

#include "graph/network_config.h"
#include "graph/op.h"

namespace dng::layers {

const graph::Ops& all_ops();
// graph::read_network_config with all layers.
graph::NetworkConfig read_network_config(const std::string& path, cfg::Reading reading = cfg::Reading::kTranslating);

}  // namespace dng::layers
