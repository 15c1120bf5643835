// What this program does alike with both Darknets.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "host/hooks.h"
#include "host/library.h"
#include "host/quiet.h"

namespace dng::host {
namespace {

std::string section_of(const layer& l) {
  switch (l.type) {
    case BATCHNORM:
      return "batchnorm";
    case LOCAL:
      return "local";
    case CONVOLUTIONAL:
      return "convolutional";
    case CONNECTED:
      return "connected";
    default:
      return "";
  }
}

std::vector<Block> blocks_of(const layer& l) {
  const bool connected = l.type == CONNECTED, local = l.type == LOCAL;
  const int64_t n = connected || local ? l.outputs : l.type == BATCHNORM ? l.c : l.n;
  const int64_t weight_count = connected ? static_cast<int64_t>(l.inputs) * l.outputs
                               : local   ? int64_t{l.outputs} * l.c * l.size * l.size
                                         : l.nweights;
  LayerBlocks blocks;
  const auto fill = [](float* value, float* update, int64_t count, Block* block) {
    block->value = value;
    block->update = update;
    block->count = count;
  };
  fill(l.biases, l.bias_updates, n, &blocks.bias);
  fill(l.scales, l.scale_updates, n, &blocks.scale);
  fill(l.rolling_mean, nullptr, n, &blocks.mean);
  fill(l.rolling_variance, nullptr, n, &blocks.variance);
  fill(l.weights, l.weight_updates, weight_count, &blocks.weights);
  return blocks.in_file_order(section_of(l), l.batch_normalize != 0);
}

}  // namespace

void check_abi() { check_abi(layer_size()); }

network* parse(const std::string& cfg, bool verbose, const char* doing) {
  DARKNET(gpu_index) = -1;
  const int file = memfd_create("cfg", MFD_CLOEXEC);
  if (file < 0 || write(file, cfg.data(), cfg.size()) != static_cast<ssize_t>(cfg.size())) {
    fail("cannot pass the cfg to Darknet in memory: %s", std::strerror(errno));
  }
  std::string path = format("/proc/self/fd/%d", file);
  const Quiet quiet(doing, !verbose);
  prepare_to_parse();
  network* net = DARKNET(load_network)(path.data(), nullptr, 0);
  close(file);
  return net;
}

struct Network::State {
  network* net = nullptr;
  std::vector<int> first;

  layer& at(int index) const { return net->layers[index]; }
  int first_of(int index) const { return first.empty() ? index : first[static_cast<size_t>(index)]; }
};

Network::Network(const std::string& cfg, bool verbose, std::vector<int> first)
    : state_(new State{parse(cfg, verbose, "parse the cfg"), std::move(first)}) {
  complete(state_->net);
}

Network::~Network() { destroy(state_->net); }

int Network::size() const { return state_->net->n; }
int Network::batch() const { return state_->net->batch; }
float* Network::output(int index) { return state_->at(index).output; }
float* Network::delta(int index) { return state_->at(index).delta; }
std::vector<Block> Network::blocks(int index) { return blocks_of(state_->at(state_->first_of(index))); }

data::Geometry Network::output_shape(int index) const {
  const layer& l = state_->at(state_->first_of(index + 1) - 1);
  if (l.out_c > 0 && l.out_h > 0 && l.out_w > 0) return {l.out_c, l.out_h, l.out_w};
  return {l.outputs, 1, 1};
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
  image source = DARKNET(make_image)(from.width, from.height, from.channels);
  std::copy(planes.begin(), planes.end(), source.data);
  image crop = raw_crop(source, to.width, to.height);
  std::vector<float> result(crop.data, crop.data + to.size());
  DARKNET(free_image)(crop);
  DARKNET(free_image)(source);
  return result;
}

}  // namespace dng::host
