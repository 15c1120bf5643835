// What a network asks of the chain of bare primitives: every distinct convolution, batch norm and addition, with how
// often it occurs. Layers of equal shape cost the same, so each shape is measured once and multiplied.
//
// Counted in training: each [convolutional] (forward, backward weights, and backward data unless it reads the network's
// input) without a bias; each batch norm, in [convolutional] or standalone, with a fused ReLU whatever its activation
// is; each [shortcut]. Counted in inference: each [convolutional] with a bias (batch norm is folded into it) and its
// activation as ReLU; a [shortcut] as a sum that its convolution does on the way; a standalone [batchnorm] only where
// there is no convolution right before it to fold it into. Everything else ([route], pooling, [connected], costs, the
// update, data) is free: the chain is a limit, not a forecast.
#pragma once

#include <string>
#include <vector>

#include "graph/network_config.h"

namespace dng::bench {

struct Convolution {
  data::Geometry in, out;
  int size = 1, stride = 1, padding = 0, groups = 1;
  bool reads_input = false;              // nobody needs the gradient of its input
  bool adds = false, rectifies = false;  // done on the way, in inference: a sum with what is there, then ReLU
  int count = 1;

  std::string text() const;
};

// A batch norm or an addition.
struct Pointwise {
  data::Geometry shape;
  int count = 1;

  std::string text() const;
};

struct ChainWork {
  std::vector<Convolution> convolutions;
  std::vector<Pointwise> batch_norms;
  std::vector<Pointwise> adds;
};

ChainWork training_work(const graph::NetworkConfig& config);
ChainWork inference_work(const graph::NetworkConfig& config);

}  // namespace dng::bench
