// The ops there are: one explicit list, sorted by section.
#pragma once

#include <string>
#include <vector>

#include "graph/op.h"

namespace dng::layers {

const std::vector<graph::Op>& all_ops();
// By section name or alias; null where there is none.
const graph::Op* find_op(const std::string& section);
// The error for a section that is no op: host sections that no classifier can use give their reason, others the nearest
// name. `where` is "file:line".
[[noreturn]] void fail_unknown_section(const std::string& where, const std::string& section);

}  // namespace dng::layers
