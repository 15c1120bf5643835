// What the host's own program would compute otherwise.
#pragma once

#include "graph/network_config.h"

namespace dng::train {

// Prints a line for each kind of layer that it evaluates otherwise than this program.
void warn_about_stock(const graph::NetworkConfig& config);

}  // namespace dng::train
