// The primitives that a network needs: every distinct convolution, batch norm and addition, and how often it occurs.
// Layers of equal shape cost the same, so each shape is timed once and multiplied.
//
// Counted in training: each [convolutional] (forward, backward weights, and backward data unless it reads the network's
// input) without a bias; each batch norm, in [convolutional] or standalone, with a fused ReLU whatever its activation
// is; each [shortcut]. Counted in inference: each [convolutional] with a bias (batch norm is folded into it) and its
// activation as ReLU; a [shortcut] as a sum fused into its convolution; a standalone [batchnorm] only where
// there is no convolution right before it to fold it into. Everything else ([route], pooling, [connected], costs, the
// update, data) is free: the baseline is a limit, not a forecast.
#pragma once

#include <string>
#include <vector>

#include "graph/network_config.h"
#include "layers/convolution_options.h"

namespace dng::bench {

struct Convolution {
  data::Geometry in, out;
  layers::ConvolutionWindow window{1, 1, 1, 1, 0};
  int groups = 1;
  bool reads_input = false;              // so the gradient of its input is not needed
  bool adds = false, rectifies = false;  // fused in inference: a sum with what dst holds, then ReLU
  int count = 1;

  std::string text() const;
};

// A batch norm or an addition.
struct Pointwise {
  data::Geometry shape;
  int count = 1;

  std::string text() const;
};

struct BaselineWork {
  std::vector<Convolution> convolutions;
  std::vector<Pointwise> batch_norms;
  std::vector<Pointwise> adds;
};

BaselineWork training_work(const graph::NetworkConfig& config);
BaselineWork inference_work(const graph::NetworkConfig& config);

}  // namespace dng::bench
