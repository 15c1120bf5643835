// Sections that Darknet gets in the place of those that it does not know: it owns the parameters and computes nothing,
// so that shapes are all that matters.
#pragma once

#include <vector>

#include "graph/op.h"

namespace dng::layers {

// The section itself, with linear in the place of an activation that Darknet does not know.
std::vector<cfg::CfgSection> with_known_activation(const graph::LayerConfig& layer);
// The output has the shape of the input.
std::vector<cfg::CfgSection> same_shape(const graph::LayerConfig& layer);
// From one shape to any other. No parameters in .weights.
std::vector<cfg::CfgSection> reshaping(const data::Geometry& from, const data::Geometry& to);
void append(const std::vector<cfg::CfgSection>& more, std::vector<cfg::CfgSection>* sections);

}  // namespace dng::layers
