#include "engine/network.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

namespace dng {
namespace {

bool all_finite(const float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

std::string layer_name(const Node& node) {
  return format("layer %d [%s]", node.index, node.config->op->section.c_str());
}

}  // namespace

Network::Network(NetworkConfig config, const NetworkSettings& settings) : config_(std::move(config)) {
  host_ = std::make_unique<host::Network>(config_.host_text(), settings.verbose);
  if (host_->size() != static_cast<int>(config_.layers.size())) {
    fail("%s: the host made %d layers of %zu; this is a mistake of this program, please report it",
         config_.path.c_str(), host_->size(), config_.layers.size());
  }
  for (const LayerConfig& layer : config_.layers) {
    auto node = std::make_unique<Node>();
    node->config = &layer;
    node->index = layer.index;
    node->batch = config_.mini_batch;
    node->host = host_.get();
    const Geometry made = host_->output_shape(layer.index);
    if (made.size() != layer.out.size()) {
      fail(
          "%s: the host made an output of %zu numbers, expected were %zu; this is a mistake of this program, please "
          "report it",
          layer.options.where().c_str(), made.size(), layer.out.size());
    }
    for (const int source : layer.sources) {
      node->sources.push_back(source < 0 ? nullptr : nodes_[static_cast<size_t>(source)].get());
    }
    node->kernel = make_kernel(layer, settings.device);
    nodes_.push_back(std::move(node));
    if (layer.options.has("stopbackward") && layer.options.flag("stopbackward")) first_trained_ = layer.index + 1;
  }
  if (!settings.plain) choose_layouts();
  for (const auto& node : nodes_) {
    node->kernel->prepare(node.get());
    if (!node->own_output.empty()) {
      host_->set_buffers(node->index, node->own_output.data(), node->own_delta.data());
    }
    node->output = host_->output(node->index);
    node->delta = host_->delta(node->index);
  }
  for (const auto& node : nodes_) {
    for (size_t later = static_cast<size_t>(node->index) + 1; later < nodes_.size(); ++later) {
      for (const Node* source : nodes_[later]->sources) {
        if (source != nullptr && source == node->sources[0]) node->alone = false;
      }
    }
  }
  for (const auto& node : nodes_) {
    blocks_.push_back(host_->blocks(node->index));
    for (const host::Block& block : blocks_.back()) {
      if (block.update == nullptr) continue;
      Parameter parameter;
      parameter.layer = node->index;
      parameter.name = block.name;
      parameter.value = block.value;
      parameter.update = block.update;
      parameter.count = block.count;
      parameter.decays = block.kind == host::Block::Kind::kWeight;
      parameter.rate_factor = static_cast<float>(node->config->options.real("learning_rate"));
      parameter.frozen = node->index < first_trained_;
      parameters_.push_back(parameter);
    }
  }
}

// Every edge is blocked where its writer and all its readers can; a kernel that wants all its edges alike makes them
// plain together.
void Network::choose_layouts() {
  for (const auto& node : nodes_) {
    const LayoutUse use = node->kernel->layout_use();
    const bool writes = use == LayoutUse::kEach || use == LayoutUse::kSame;
    if (writes && can_block(node->config->out)) node->layout = Layout::kBlocked;
  }
  for (bool changed = true; changed;) {
    changed = false;
    const auto make_plain = [&](Node* node) {
      if (node->layout == Layout::kPlain) return;
      node->layout = Layout::kPlain;
      changed = true;
    };
    for (const auto& node : nodes_) {
      const LayoutUse use = node->kernel->layout_use();
      bool alike = node->layout == Layout::kBlocked;
      for (const Node* source : node->sources) alike = alike && source != nullptr && source->layout == Layout::kBlocked;
      if (use == LayoutUse::kSame && !alike) make_plain(node.get());
      for (Node* source : node->sources) {
        if (source != nullptr && (use == LayoutUse::kPlain || (use == LayoutUse::kSame && !alike))) make_plain(source);
      }
    }
  }
}

std::vector<float> Network::plain(int index, const float* values) const {
  const Node& n = node(index);
  const size_t count = n.out_size() * static_cast<size_t>(n.batch);
  if (n.layout == Layout::kPlain) return {values, values + count};
  std::vector<float> copy(count);
  const Rows rows(n.config->out, n.batch, n.layout);
  for (int row = 0; row < rows.count(); ++row) {
    const float* from = values + rows.offset(row);
    float* to = copy.data() + static_cast<size_t>(row) * rows.length();
    for (size_t i = 0; i < rows.space; ++i) {
      for (int l = 0; l < kLanes; ++l)
        to[static_cast<size_t>(l) * rows.space + i] = from[i * kLanes + static_cast<size_t>(l)];
    }
  }
  return copy;
}

void Network::initialize(uint64_t seed) {
  using Kind = host::Block::Kind;
  for (const auto& node : nodes_) {
    int number = 0;
    for (const host::Block& block : blocks_[static_cast<size_t>(node->index)]) {
      CounterRandom random(seed, Stream::kWeights, static_cast<uint64_t>(node->index), static_cast<uint64_t>(number++));
      if (block.update != nullptr) std::memset(block.update, 0, static_cast<size_t>(block.count) * sizeof(float));
      const bool convolution =
          node->config->out.height > 1 || node->config->out.width > 1 || node->config->op->section == "convolutional";
      const double fan_in = static_cast<double>(block.count) / node->config->out.channels;
      const double scale = std::sqrt(2.0 / fan_in);
      for (int64_t i = 0; i < block.count; ++i) {
        switch (block.kind) {
          case Kind::kWeight:
            block.value[i] = static_cast<float>(scale * (convolution ? random.normal() : random.uniform(-1, 1)));
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
}

void Network::forward(Pass* pass) {
  for (const auto& node : nodes_) node->kernel->forward(*node, *pass);
}

void Network::backward(Pass* pass) {
  for (const auto& node : nodes_) {
    // The cost wrote its own delta in the forward pass.
    if (node != nodes_.back()) {
      std::memset(node->delta, 0, node->out_size() * static_cast<size_t>(node->batch) * sizeof(float));
    }
  }
  for (size_t i = nodes_.size(); i-- > static_cast<size_t>(first_trained_);) {
    nodes_[i]->kernel->backward(*nodes_[i], *pass);
  }
}

bool Network::parameters_finite() const {
  for (const auto& layer : blocks_) {
    for (const host::Block& block : layer) {
      if (!all_finite(block.value, static_cast<size_t>(block.count))) return false;
    }
  }
  return true;
}

std::string Network::first_non_finite() const {
  for (const auto& node : nodes_) {
    if (!all_finite(node->output, node->out_size() * static_cast<size_t>(node->batch))) return layer_name(*node);
  }
  for (const auto& node : nodes_) {
    for (const host::Block& block : blocks_[static_cast<size_t>(node->index)]) {
      if (!all_finite(block.value, static_cast<size_t>(block.count))) return layer_name(*node);
    }
  }
  return "";
}

std::string Network::host_layers() const {
  std::vector<std::string> ranges;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (dynamic_cast<const HostKernel*>(nodes_[i]->kernel.get()) == nullptr) continue;
    const size_t first = i;
    while (i + 1 < nodes_.size() && dynamic_cast<const HostKernel*>(nodes_[i + 1]->kernel.get()) != nullptr) ++i;
    ranges.push_back(first == i ? format("%zu", i) : format("%zu-%zu", first, i));
  }
  return ranges.empty() ? "" : "layers " + join(ranges, ", ") + " run on the host's code";
}

}  // namespace dng
