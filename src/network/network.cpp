#include "network/network.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/finite.h"
#include "base/random.h"
#include "base/text.h"
#include "gpu/executor.h"
#include "math/cost.h"

namespace dng::network {

void Network::make_host(bool verbose) {
  static const bool checked = (host::check_abi(), true);
  (void)checked;
  // Darknet's layers own parameters and nothing else that is used.
  const graph::NetworkConfig hosted = graph::with_mini_batch(config_, 1);
  const std::vector<int> numbers = hosted.host_layers();
  host_ = std::make_unique<host::Network>(hosted.host_text(), verbose, numbers);
  if (host_->size() != numbers.back()) {
    fail("%s: internal error: Darknet made %d layers, expected %d", config_.path.c_str(), host_->size(),
         numbers.back());
  }
  for (const graph::LayerConfig& layer : config_.layers) {
    const size_t made = host_->output_shape(layer.index).size();
    if (made != layer.out.size()) {
      fail("%s: internal error: Darknet made an output of %zu values, expected %zu", layer.options.where().c_str(),
           made, layer.out.size());
    }
    blocks_.push_back(host_->blocks(layer.index));
  }
}

Network::Network(graph::NetworkConfig config, const NetworkSettings& settings) : config_(std::move(config)) {
  if (settings.trains || settings.verbose) {
    make_host(settings.verbose);
  } else {
    blocks_ = own_blocks(config_, &own_memory_);
  }
  collect_parameters(settings.trains);
  if (settings.gpu == nullptr) {
    cpu::ExecutorSettings cpu;
    cpu.trains = settings.trains;
    cpu.reference = settings.reference;
    cpu.watched_layer = settings.watched_layer;
    cpu.ranks = settings.ranks;
    cpu_ = std::make_unique<cpu::Executor>(config_, blocks_, cpu);
    executor_ = cpu_.get();
    return;
  }
  gpu::NetworkOptions options;
  options.trains = settings.trains;
  options.fused = !settings.reference;
  options.adam = config_.net.flag("adam");
  options.first_trained = config_.first_trained();
  options.precision = gpu::precision_of(settings.precision_of != nullptr ? *settings.precision_of : config_);
  gpu_ = std::make_unique<gpu::Executor>(settings.gpu, config_, blocks_, options);
  executor_ = gpu_.get();
}

Network::~Network() = default;

std::string Network::describe_cost() const { return config_.cost().op->cost(config_.cost())->describe(); }

void Network::collect_parameters(bool trains) {
  const bool adam = trains && config_.net.flag("adam");
  for (const graph::LayerConfig& layer : config_.layers) {
    for (host::Block& block : blocks_[static_cast<size_t>(layer.index)]) {
      if (!block.learns()) continue;
      if (adam) {
        second_moments_.emplace_back(static_cast<size_t>(block.count));
        block.second = second_moments_.back().data();
      }
      graph::Parameter parameter;
      parameter.layer = layer.index;
      parameter.name = block.name;
      parameter.value = block.value;
      parameter.update = block.update;
      parameter.second = block.second;
      parameter.count = block.count;
      parameter.decays = block.kind == host::Block::Kind::kWeight;
      parameter.rate_factor = static_cast<float>(layer.options.real("learning_rate"));
      parameter.frozen = layer.index < config_.first_trained();
      parameters_.push_back(parameter);
    }
  }
}

void Network::initialize(uint64_t seed) {
  using Kind = host::Block::Kind;
  for (const graph::LayerConfig& layer : config_.layers) {
    int number = 0;
    for (const host::Block& block : blocks_[static_cast<size_t>(layer.index)]) {
      CounterRandom random(seed, Stream::kWeights, static_cast<uint64_t>(layer.index), static_cast<uint64_t>(number++));
      for (float* state : {block.update, block.second}) {
        if (state != nullptr) std::memset(state, 0, static_cast<size_t>(block.count) * sizeof(float));
      }
      const bool local = layer.op->section == "local";
      const bool normal =
          !local && (layer.out.height > 1 || layer.out.width > 1 || layer.op->section == "convolutional");
      const auto filters = local ? static_cast<double>(layer.out.size()) : layer.out.channels;
      const double fan_in = static_cast<double>(block.count) / filters;
      const double scale = std::sqrt(2.0 / fan_in);
      for (int64_t i = 0; i < block.count; ++i) {
        switch (block.kind) {
          case Kind::kWeight:
            block.value[i] = static_cast<float>(scale * (normal ? random.normal() : random.uniform(-1, 1)));
            break;
          case Kind::kScale:
            block.value[i] = 1;
            break;
          default:
            block.value[i] = 0;
        }
      }
    }
  }
  push();
}

bool Network::parameters_finite() const {
  pull();
  for (const auto& layer : blocks_) {
    for (const host::Block& block : layer) {
      if (!all_finite(block.value, static_cast<size_t>(block.count))) return false;
    }
  }
  return true;
}

std::string Network::layer_name(int layer) const {
  const graph::LayerConfig& config = config_.layers[static_cast<size_t>(layer)];
  return format("layer %d [%s]", config.number, config.op->section.c_str());
}

std::string Network::first_non_finite() const {
  pull();
  const int layer = cpu_ ? cpu_->first_non_finite() : -1;
  if (layer >= 0) return layer_name(layer);
  for (int i = 0; i < size(); ++i) {
    for (const host::Block& block : blocks_[static_cast<size_t>(i)]) {
      if (!all_finite(block.value, static_cast<size_t>(block.count))) return layer_name(i);
    }
  }
  return "";
}

}  // namespace dng::network
