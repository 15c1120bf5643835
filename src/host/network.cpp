// What this program does alike with both Darknets.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "host/hooks.h"
#include "host/quiet.h"

namespace dng::host {
namespace {

// Order of the .weights file. A standalone [batchnorm] is read and written in AlexeyAB's layout on both hosts, because
// the packaged one leaves the biases out and its networks then could not be restored.
std::vector<Block> blocks_of(const layer& l) {
  using Kind = Block::Kind;
  const bool connected = l.type == CONNECTED;
  const int64_t n = connected ? l.outputs : l.type == BATCHNORM ? l.c : l.n;
  const int64_t weight_count = connected ? static_cast<int64_t>(l.inputs) * l.outputs : l.nweights;
  const Block bias{Kind::kBias, "biases", l.biases, l.bias_updates, n};
  const Block scale{Kind::kScale, "scales", l.scales, l.scale_updates, n};
  const Block mean{Kind::kMean, "rolling mean", l.rolling_mean, nullptr, n};
  const Block variance{Kind::kVariance, "rolling variance", l.rolling_variance, nullptr, n};
  const Block weights{Kind::kWeight, "weights", l.weights, l.weight_updates, weight_count};
  if (l.type == BATCHNORM) return {bias, scale, mean, variance};
  if (l.type != CONVOLUTIONAL && !connected) return {};
  if (!l.batch_normalize) return {bias, weights};
  if (connected) return {bias, weights, scale, mean, variance};
  return {bias, scale, mean, variance, weights};
}

// Darknet moves its rolling statistics by a fixed share of each batch. From a start of zero that leaves them far too
// small for hundreds of steps, so the first steps use 1 / (steps + 1): the plain mean of the batches so far.
class RollingStatistics {
 public:
  RollingStatistics(const layer& l, bool training, int64_t steps) : layer_(l) {
    const BatchNormRules& rules = traits().batchnorm;
    const float host_rate = l.type == CONNECTED ? rules.rolling_rate_connected : rules.rolling_rate;
    rate_ = std::max(host_rate, static_cast<float>(1.0 / static_cast<double>(steps + 1)));
    if (!training || !l.batch_normalize || l.type == BATCHNORM || rate_ <= host_rate) return;
    const int64_t n = l.type == CONNECTED ? l.outputs : l.out_c;
    mean_.assign(l.rolling_mean, l.rolling_mean + n);
    variance_.assign(l.rolling_variance, l.rolling_variance + n);
  }
  // After Darknet's forward pass.
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

}  // namespace

void check_abi() { check_abi(layer_size()); }

network* parse(const std::string& cfg, bool verbose, const char* doing) {
  gpu_index = -1;
  const int file = memfd_create("cfg", MFD_CLOEXEC);
  if (file < 0 || write(file, cfg.data(), cfg.size()) != static_cast<ssize_t>(cfg.size())) {
    fail("cannot pass the cfg to Darknet in memory: %s", std::strerror(errno));
  }
  std::string path = format("/proc/self/fd/%d", file);
  const Quiet quiet(doing, !verbose);
  prepare_to_parse();
  network* net = load_network(path.data(), nullptr, 0);
  close(file);
  return net;
}

struct Network::State {
  network* net = nullptr;
  std::map<int, std::pair<float*, float*>> own;  // output and delta that Darknet allocated, and frees, of a layer

  layer& at(int index) const { return net->layers[index]; }
};

Network::Network(const std::string& cfg, bool verbose) : state_(new State{parse(cfg, verbose, "parse the cfg"), {}}) {
  complete(state_->net);
}

Network::~Network() {
  for (const auto& [index, own] : state_->own) std::tie(state_->at(index).output, state_->at(index).delta) = own;
  destroy(state_->net);
}

int Network::size() const { return state_->net->n; }
int Network::batch() const { return state_->net->batch; }
float* Network::output(int index) { return state_->at(index).output; }
float* Network::delta(int index) { return state_->at(index).delta; }
std::vector<Block> Network::blocks(int index) { return blocks_of(state_->at(index)); }

data::Geometry Network::output_shape(int index) const {
  const layer& l = state_->at(index);
  if (l.out_c > 0 && l.out_h > 0 && l.out_w > 0) return {l.out_c, l.out_h, l.out_w};
  return {l.outputs, 1, 1};
}

void Network::set_buffers(int index, float* output, float* delta) {
  layer& l = state_->at(index);
  state_->own.emplace(index, std::make_pair(l.output, l.delta));  // the first time only
  l.output = output;
  l.delta = delta;
  buffers_changed(state_->net, index);
}

void Network::forward(int index, const float* input, bool training, int64_t steps) {
  RollingStatistics rolling(state_->at(index), training, steps);
  fixed_forward(state_->net, index, input, training);
  rolling.correct();
}

void Network::backward(int index, const float* input, float* input_delta, bool alone) {
  const layer& l = state_->at(index);
  const size_t count = static_cast<size_t>(l.inputs) * l.batch;
  std::vector<float> unread, before;
  // Only [convolutional] and [connected] accept that there is no delta of the input.
  if (input_delta == nullptr && l.type != CONVOLUTIONAL && l.type != CONNECTED) {
    unread.resize(count);
    input_delta = unread.data();
  } else if (input_delta != nullptr && !alone && overwrites_delta(l)) {
    before.assign(input_delta, input_delta + count);
    std::memset(input_delta, 0, count * sizeof(float));
  }
  fixed_backward(state_->net, index, input, input_delta);
  for (size_t i = 0; i < before.size(); ++i) input_delta[i] += before[i];
}

void Network::update(int index, int batch, float rate, float momentum, float decay) {
  if (state_->at(index).update != nullptr) raw_update(state_->at(index), batch, rate, momentum, decay);
}

void Network::raw_forward(int index, const float* input, bool training) {
  host::raw_forward(state_->net, index, input, training);
}

void Network::raw_backward(int index, const float* input, float* input_delta) {
  host::raw_backward(state_->net, index, input, input_delta);
}

void Network::raw_save_weights(const std::string& path) {
  const Quiet quiet("save weights", true);
  raw_save(state_->net, const_cast<char*>(path.c_str()));
}

void Network::raw_load_weights(const std::string& path) {
  const Quiet quiet("load weights", true);
  raw_load(state_->net, const_cast<char*>(path.c_str()));
}

std::vector<float> raw_eval_crop(const std::vector<float>& planes, const data::Geometry& from,
                                 const data::Geometry& to) {
  image source = make_image(from.width, from.height, from.channels);
  std::copy(planes.begin(), planes.end(), source.data);
  image crop = raw_crop(source, to.width, to.height);
  std::vector<float> result(crop.data, crop.data + to.size());
  free_image(crop);
  free_image(source);
  return result;
}

}  // namespace dng::host
