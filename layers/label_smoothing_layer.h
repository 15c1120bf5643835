// [label_smoothing]: cross entropy with smoothed labels, a patriarch that is tolerant towards all classes alike.
//   q = (1 - epsilon) y + epsilon / C;  L = CE(q, f);  dL/dz = f - q
// Source: Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
//   epsilon  0.1  0..1, 1 excluded
// It equals plain [softmax] bit for bit at epsilon = 0. Shapes, sign and numerics: layers/cost.h.
#pragma once

#include "graph/op.h"
#include "math/cost_formulas.h"

namespace dng::layers {

graph::Op label_smoothing_op();
math::LabelSmoothingFormula label_smoothing_formula(const graph::LayerConfig& layer);

}  // namespace dng::layers
