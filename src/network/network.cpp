#include "network/network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "cpu/parallel.h"
#include "cpu/training_plan.h"
#include "gpu/network.h"
#include "layers/cost.h"

namespace dng::network {
namespace {

bool all_finite(const float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

std::string layer_name(const cpu::Node& node) {
  return format("layer %d [%s]", node.index, node.config->op->section.c_str());
}

void clear_delta(const cpu::Node& node) {
  cpu::for_ranges(node.batch, 1, [&](const cpu::Range& image, cpu::Scratch&) {
    std::fill_n(node.delta + image.offset(node.stride), node.out_size(), 0.0f);
  });
}

// A node's output for some images, `stride` floats from one to the next, into the plain layout.
void copy_plain(const cpu::Node& node, int images, const float* output, size_t stride, float* to) {
  const data::Geometry& shape = node.config->out;
  const cpu::Rows rows(shape, node.layout);
  for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
    const float* image = output + i * stride;
    for (int c = 0; c < shape.channels; ++c) {
      const float* from = image + rows.offset(c / rows.block) + c % rows.block;
      for (size_t p = 0; p < rows.space; ++p) *to++ = from[p * static_cast<size_t>(rows.block)];
    }
  }
}

// Adds the seconds of its lifetime.
class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds), begin_(Clock::now()) {}
  ~Stopwatch() { *seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* seconds_;
  Clock::time_point begin_;
};

}  // namespace

Network::Network(graph::NetworkConfig config, const NetworkSettings& settings) : config_(std::move(config)) {
  // On a GPU the host's layers own parameters and nothing else that is used.
  const graph::NetworkConfig hosts = settings.gpu != nullptr ? graph::with_mini_batch(config_, 1) : config_;
  host_ = std::make_unique<host::Network>(hosts.host_text(), settings.verbose);
  if (host_->size() != static_cast<int>(config_.layers.size())) {
    fail("%s: the host made %d layers of %zu; this is a mistake of this program, please report it",
         config_.path.c_str(), host_->size(), config_.layers.size());
  }
  make_nodes(settings);
  if (settings.gpu == nullptr) make_memory(settings);
  collect_parameters();
  if (settings.gpu == nullptr) return;
  gpu::NetworkOptions options;
  options.trains = settings.trains;
  options.fused = !settings.reference;
  options.first_trained = first_trained_;
  options.precision = gpu::precision_of(settings.precision_of != nullptr ? *settings.precision_of : config_);
  device_ = std::make_unique<gpu::Network>(settings.gpu, config_, blocks_, options);
}

Network::~Network() = default;

void Network::push() {
  prepared_ = false;
  if (device_) device_->push();
}

void Network::pull() const {
  if (device_) device_->pull();
}

const float* Network::probabilities() const { return device_ ? device_->probabilities() : nodes_.back()->output; }

const float* Network::logits(const cpu::Pass& pass) const {
  return device_ ? device_->logits() : nodes_.back()->input(pass);
}

size_t Network::training_bytes() const { return device_ ? device_->activation_bytes() : arena_.size() * sizeof(float); }

std::string Network::describe_cost() const { return config_.cost().op->cost(config_.cost())->describe(); }

void Network::make_nodes(const NetworkSettings& settings) {
  for (const graph::LayerConfig& layer : config_.layers) {
    auto node = std::make_unique<cpu::Node>();
    node->config = &layer;
    node->index = layer.index;
    node->batch = config_.mini_batch;
    node->host = host_.get();
    node->in = layer.in;
    node->trains = settings.trains;
    node->reference = settings.reference;
    node->watched = layer.index == settings.watched_layer;
    if (node->watched) watched_node_ = node.get();
    node->threads = cpu::thread_limit();
    const data::Geometry made = host_->output_shape(layer.index);
    if (made.size() != layer.out.size()) {
      fail(
          "%s: the host made an output of %zu numbers, expected were %zu; this is a mistake of this program, please "
          "report it",
          layer.options.where().c_str(), made.size(), layer.out.size());
    }
    for (const int number : layer.sources) {
      cpu::Source source;
      source.node = number < 0 ? nullptr : nodes_[static_cast<size_t>(number)].get();
      node->sources.push_back(source);
    }
    if (settings.gpu == nullptr) node->kernel = cpu::make_kernel(layer, graph::Device::kCpu);
    any_host_ = any_host_ || runs_on_host(*node);
    nodes_.push_back(std::move(node));
    if (layer.options.has("stopbackward") && layer.options.flag("stopbackward")) first_trained_ = layer.index + 1;
  }
  times_.resize(nodes_.size());
}

bool Network::runs_on_host(const cpu::Node& node) const {
  return dynamic_cast<const cpu::HostKernel*>(node.kernel.get()) != nullptr;
}

void Network::make_memory(const NetworkSettings& settings) {
  const bool fused = !settings.reference && !any_host_;
  if (fused) cpu::wire(&nodes_);
  if (!settings.reference) cpu::choose_layouts(&nodes_);
  inference_ = cpu::plan_inference(nodes_, batch(), cpu::thread_limit());
  for (const auto& node : nodes_) {
    node->inference_piece = node->index < inference_.parted ? inference_.part : inference_.piece;
    if (!node->bypassed) node->kernel->prepare(node.get());
    if (!runs_on_host(*node)) continue;
    node->output = host_->output(node->index);
    node->delta = host_->delta(node->index);
  }
  // What is looked at from outside keeps its place.
  cpu::Node& last = *nodes_.back();
  const auto own = [&](cpu::Node* node, std::vector<float>* memory) {
    if (node == nullptr || node->output != nullptr) return;
    memory->resize(node->out_size() * static_cast<size_t>(batch()));
    node->output = memory->data();
  };
  own(&last, &probabilities_);
  own(last.sources[0].node, &logits_);
  if (settings.trains || any_host_) cpu::plan_training(&nodes_, first_trained_, fused, &arena_);
  if (!any_host_) return;
  for (const auto& node : nodes_) {
    if (!runs_on_host(*node)) host_->set_buffers(node->index, node->output, node->delta);
  }
}

void Network::collect_parameters() {
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
  push();
}

void Network::forward(cpu::Pass* pass) {
  if (device_) {
    device_->forward(pass);
  } else if (pass->training) {
    train_forward(pass);
  } else {
    infer(pass);
  }
}

void Network::train_forward(cpu::Pass* pass) {
  prepared_ = false;
  for (const auto& node : nodes_) node->ready = false;
  for (const auto& node : nodes_) {
    if (node->bypassed) continue;
    const Stopwatch watch(&times_[static_cast<size_t>(node->index)].forward);
    node->kernel->forward(*node, *pass);
    if (node->storage == cpu::Storage::kStored && node->kernel->role(*node).lazy) {
      cpu::for_ranges(node->batch, 1, [&](const cpu::Range& range, cpu::Scratch& scratch) {
        node->kernel->compute(*node, *pass, range, node->output + range.offset(node->stride), &scratch);
      });
    }
    for (const auto& other : nodes_) other->ready = other->ready || other->reader == node.get();
  }
}

void Network::backward(cpu::Pass* pass) {
  if (device_) return device_->backward();
  for (size_t i = nodes_.size(); i-- > static_cast<size_t>(first_trained_);) {
    cpu::Node& node = *nodes_[i];
    if (node.bypassed || !node.reached) continue;
    const Stopwatch watch(&times_[i].backward);
    const cpu::Role role = node.kernel->role(node);
    if (!role.by_range) {
      for (const cpu::Source& source : node.sources) {
        if (source.wanted && source.first) clear_delta(*source.node);
      }
    }
    if (!node.settled_by_giver) {
      cpu::for_ranges(node.batch, 1, [&](const cpu::Range& range, cpu::Scratch& scratch) {
        node.kernel->settle(node, *pass, range, &scratch);
      });
    }
    if (!role.hands_on) node.kernel->backward(node, *pass);
  }
}

int Network::piece() const {
  const bool whole_batches = device_ != nullptr || any_host_ || nodes_.back()->sources[0].node == nullptr;
  return whole_batches ? 0 : inference_.piece;
}

size_t Network::watched_size() const { return watched_node_ == nullptr ? 0 : watched_node_->config->out.size(); }

void Network::prepare_inference() {
  if (frozen_ && prepared_) return;
  for (const auto& node : nodes_) {
    if (!node->bypassed) node->kernel->prepare_inference(*node);
  }
  prepared_ = true;
}

void Network::infer(cpu::Pass* pass) {
  prepare_inference();
  own_watched_.resize(watched_size() * static_cast<size_t>(batch()));
  watched_ = own_watched_.data();
  cpu::Node& last = *nodes_.back();
  if (any_host_) {
    infer_whole_layers(pass);
  } else if (last.sources[0].node != nullptr) {
    float* logits = last.sources[0].node->output;
    cpu::for_ranges(pass->count, inference_.piece, [&](const cpu::Range& range, cpu::Scratch& scratch) {
      const Outputs to{logits + range.offset(static_cast<size_t>(classes())),
                       own_watched_.data() + range.offset(watched_size())};
      infer_piece(pass->input + range.offset(config_.input.size()), to, &scratch);
    });
  }
  last.kernel->forward(last, *pass);
}

void Network::infer_whole_layers(cpu::Pass* pass) {
  for (const auto& node : nodes_) {
    if (node == nodes_.back()) break;
    const size_t size = node->out_size();
    const auto watch = [&](const cpu::Range& range) {
      if (node->watched) {
        copy_plain(*node, range.count, node->output + range.offset(size), size,
                   own_watched_.data() + range.offset(watched_size()));
      }
    };
    if (!node->kernel->can_infer()) {
      node->kernel->forward(*node, *pass);
      watch({0, batch()});
      continue;
    }
    cpu::for_ranges(batch(), node->inference_piece, [&](const cpu::Range& range, cpu::Scratch& scratch) {
      std::vector<cpu::View> inputs;
      for (const cpu::Source& source : node->sources) {
        const size_t its_size = source.node == nullptr ? node->in.size() : source.node->out_size();
        const float* from = source.node == nullptr ? pass->input : source.node->output;
        inputs.push_back({from + range.offset(its_size), its_size});
      }
      node->kernel->infer(*node, range.count, inputs.data(), node->output + range.offset(size), size, &scratch);
      watch(range);
    });
  }
}

void Network::infer_piece(const float* images, const Outputs& to) const {
  const cpu::OneThread alone;
  const cpu::ScratchFrame frame(&cpu::thread_scratch());
  infer_piece(images, to, &cpu::thread_scratch());
}

// A few images go through all layers while they are in the cache.
void Network::infer_piece(const float* images, const Outputs& to, cpu::Scratch* scratch) const {
  float* memory = scratch->take(inference_.total);
  for (int at = 0; at < inference_.piece; at += inference_.part) {
    infer_layers(0, inference_.parted, images, {at, inference_.part}, to, memory, scratch);
  }
  infer_layers(inference_.parted, size(), images, {0, inference_.piece}, to, memory, scratch);
}

// `part` of a piece through some layers.
void Network::infer_layers(int first, int end, const float* images, const cpu::Range& part, const Outputs& to,
                           float* memory, cpu::Scratch* scratch) const {
  const cpu::Node* logits = nodes_.back()->sources[0].node;
  const auto place = [&](size_t i) {
    const size_t image = inference_.whole[i] ? static_cast<size_t>(part.first) : 0;
    return memory + inference_.offset[i] + image * inference_.stride[i];
  };
  std::vector<cpu::View> inputs;
  for (int n = first; n < end; ++n) {
    const auto& node = nodes_[static_cast<size_t>(n)];
    if (node->bypassed || node == nodes_.back()) continue;
    inputs.clear();
    for (const cpu::Source& source : node->sources) {
      if (source.node == nullptr) {
        inputs.push_back({images + part.offset(config_.input.size()), config_.input.size()});
      } else {
        const auto from = static_cast<size_t>(source.node->index);
        inputs.push_back({place(from), inference_.stride[from]});
      }
    }
    const auto i = static_cast<size_t>(n);
    float* output = node.get() == logits ? to.logits + part.offset(node->out_size()) : place(i);
    const cpu::ScratchFrame frame(scratch);
    node->kernel->infer(*node, part.count, inputs.data(), output, inference_.stride[i], scratch);
    if (node->watched) {
      copy_plain(*node, part.count, output, inference_.stride[i], to.watched + part.offset(watched_size()));
    }
  }
}

void Network::finish_pieces(const float* logits, const float* watched, cpu::Pass* pass) {
  // The other threads are at the next pieces.
  const cpu::OneThread alone;
  cpu::Node& last = *nodes_.back();
  std::copy_n(logits, static_cast<size_t>(pass->count) * static_cast<size_t>(classes()), last.sources[0].node->output);
  watched_ = watched;
  last.kernel->forward(last, *pass);
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

std::string Network::first_non_finite() const {
  pull();
  for (const auto& node : nodes_) {
    if (device_ || node->bypassed) continue;
    const auto images = static_cast<size_t>(node->batch);
    const cpu::Role role = node->kernel->role(*node);
    const bool fine = role.kept > 0 ? all_finite(node->kept, role.kept * images)
                                    : node->storage == cpu::Storage::kEachRead || node->stride != node->out_size() ||
                                          node->output == nullptr || all_finite(node->output, node->stride * images);
    if (!fine) return layer_name(*node);
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
    if (!runs_on_host(*nodes_[i])) continue;
    const size_t first = i;
    while (i + 1 < nodes_.size() && runs_on_host(*nodes_[i + 1])) ++i;
    ranges.push_back(first == i ? format("%zu", i) : format("%zu-%zu", first, i));
  }
  return ranges.empty() ? "" : "layers " + join(ranges, ", ") + " run on the host's code";
}

}  // namespace dng::network
