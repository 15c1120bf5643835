// Which memory layout each tensor has: decided once, before the kernels are prepared.
#pragma once

#include <memory>
#include <vector>

#include "cpu/node.h"

namespace dng::cpu {

using Nodes = std::vector<std::unique_ptr<Node>>;

// Every edge is blocked where its writer and all its readers can; a kernel that wants all its edges alike makes them
// plain together.
void choose_layouts(const Nodes& nodes);

}  // namespace dng::cpu
