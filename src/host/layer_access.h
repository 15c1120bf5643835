// What both Darknets have in common: fields of `struct layer` that bear the same name. Included by packaged.cpp and
// alexeyab.cpp after their own darknet.h, and by nothing else.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "host/host.h"

namespace dng::host {

inline data::Geometry shape_of(const layer& l) {
  if (l.out_c > 0 && l.out_h > 0 && l.out_w > 0) return {l.out_c, l.out_h, l.out_w};
  return {l.outputs, 1, 1};
}

// The buffers that the host allocated, where others stand in for them: the host frees what it finds.
class OwnBuffers {
 public:
  void replace(layer* layers, int index, float* output, float* delta) {
    layer& l = layers[index];
    own_.emplace(index, std::make_pair(l.output, l.delta));  // the first time only
    l.output = output;
    l.delta = delta;
  }
  void restore(layer* layers) const {
    for (const auto& entry : own_) {
      layers[entry.first].output = entry.second.first;
      layers[entry.first].delta = entry.second.second;
    }
  }

 private:
  std::map<int, std::pair<float*, float*>> own_;
};

// Order of the .weights file. A standalone [batchnorm] is read and written in AlexeyAB's layout on both hosts, because
// the packaged one leaves the biases out and its networks then could not be restored.
inline std::vector<Block> blocks_of(const layer& l) {
  using Kind = Block::Kind;
  const int64_t n = l.type == CONNECTED ? l.outputs : l.type == BATCHNORM ? l.c : l.n;
  const Block bias{Kind::kBias, "biases", l.biases, l.bias_updates, n};
  const Block scale{Kind::kScale, "scales", l.scales, l.scale_updates, n};
  const Block mean{Kind::kMean, "rolling mean", l.rolling_mean, nullptr, n};
  const Block variance{Kind::kVariance, "rolling variance", l.rolling_variance, nullptr, n};
  switch (l.type) {
    case CONVOLUTIONAL: {
      const Block weights{Kind::kWeight, "weights", l.weights, l.weight_updates, l.nweights};
      if (l.batch_normalize) return {bias, scale, mean, variance, weights};
      return {bias, weights};
    }
    case CONNECTED: {
      const Block weights{Kind::kWeight, "weights", l.weights, l.weight_updates,
                          static_cast<int64_t>(l.inputs) * l.outputs};
      if (l.batch_normalize) return {bias, weights, scale, mean, variance};
      return {bias, weights};
    }
    case BATCHNORM:
      return {bias, scale, mean, variance};
    default:
      return {};
  }
}

inline int64_t statistics_size(const layer& l) { return l.type == CONNECTED ? l.outputs : l.out_c; }

// The host moves its rolling statistics by a fixed share of each batch. From a start of zero that leaves them far too
// small for hundreds of steps, so the first steps use 1 / (steps + 1): the plain mean of the batches so far.
class RollingStatistics {
 public:
  RollingStatistics(const layer& l, bool training, int64_t steps, float host_rate)
      : layer_(l), rate_(std::max(host_rate, static_cast<float>(1.0 / static_cast<double>(steps + 1)))) {
    if (!training || !l.batch_normalize || l.type == BATCHNORM || rate_ <= host_rate) return;
    const int64_t n = statistics_size(l);
    mean_.assign(l.rolling_mean, l.rolling_mean + n);
    variance_.assign(l.rolling_variance, l.rolling_variance + n);
  }
  // After the host's forward pass.
  void correct() {
    for (size_t i = 0; i < mean_.size(); ++i) {
      layer_.rolling_mean[i] = (1 - rate_) * mean_[i] + rate_ * layer_.mean[i];
      layer_.rolling_variance[i] = (1 - rate_) * variance_[i] + rate_ * layer_.variance[i];
    }
  }

 private:
  const layer& layer_;
  float rate_;
  std::vector<float> mean_, variance_;
};

// Some host kernels overwrite the previous layer's delta where they should add. `run(delta)` is called with a zeroed
// buffer.
template <class Run>
void add_to_delta(const layer& l, float* input_delta, bool alone, Run run) {
  const size_t count = static_cast<size_t>(l.inputs) * l.batch;
  if (input_delta == nullptr) {
    // Only [convolutional] and [connected] accept that there is nobody to tell.
    if (l.type == CONVOLUTIONAL || l.type == CONNECTED) return run(static_cast<float*>(nullptr));
    std::vector<float> nobody(count);
    return run(nobody.data());
  }
  if (alone) return run(input_delta);
  std::vector<float> before(input_delta, input_delta + count);
  std::memset(input_delta, 0, count * sizeof(float));
  run(input_delta);
  for (size_t i = 0; i < count; ++i) input_delta[i] += before[i];
}

// The type as a number: what is read at a wrong distance need not be a value of the enumeration.
inline int type_number(const layer& l) {
  int number = 0;
  static_assert(sizeof number == sizeof l.type, "the enumeration is stored as an int");
  std::memcpy(&number, &l.type, sizeof number);
  return number;
}

// Compares what the library wrote with what the header lets us read: two layers whose fields are known, the second read
// at the distance that this program believes.
inline void require_same_layout(const void* layers, size_t layer_size, int width, int height, const char* library) {
  const auto* base = static_cast<const char*>(layers);
  layer second;
  std::memcpy(static_cast<void*>(&second), base + layer_size, sizeof second);
  layer first;
  std::memcpy(static_cast<void*>(&first), base, sizeof first);
  const bool same = type_number(first) == CONVOLUTIONAL && first.n == 3 && first.size == 3 && first.w == width &&
                    first.h == height && first.out_c == 3 && first.nweights == 54 &&
                    type_number(second) == CONVOLUTIONAL && second.n == 5 && second.size == 5 && second.c == 3 &&
                    second.out_w == width && second.nweights == 375 && second.learning_rate_scale == 0.25f &&
                    second.workspace_size > 0 && second.stopbackward == 1;
  if (!same) {
    fail(
        "%s was built with another darknet.h than this program (its struct layer is not %zu bytes): rebuild with "
        "'make clean' and 'make DARKNET_ROOT=DIR', where DIR holds both the header and the library",
        library, layer_size);
  }
}

constexpr const char* kProbeCfg =
    "[net]\nbatch=1\nsubdivisions=1\nheight=6\nwidth=7\nchannels=2\n"
    "[convolutional]\nfilters=3\nsize=3\nstride=1\npad=1\nactivation=linear\n"
    "[convolutional]\nfilters=5\nsize=5\nstride=1\npad=1\nactivation=linear\nlearning_rate=0.25\nstopbackward=1\n";
constexpr int kProbeWidth = 7, kProbeHeight = 6;

}  // namespace dng::host
