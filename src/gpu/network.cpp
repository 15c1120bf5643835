#include "gpu/network.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "cpu/arena.h"
#include "cpu/kernel.h"

namespace dng::gpu {
namespace {

constexpr size_t kAlignment = 256;

size_t rounded(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }
size_t aligned(size_t bytes) { return rounded(bytes, kAlignment); }
size_t floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

// Takes pieces of one allocation, one after the other.
class Cutter {
 public:
  size_t take(size_t bytes) {
    const size_t offset = size_;
    size_ += aligned(bytes);
    return offset;
  }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};

// Darknet has [outer][channels][space], the device [outer][space][channels].
void transpose(const float* from, int64_t outer, int64_t rows, int64_t columns, float* to) {
  for (int64_t o = 0; o < outer; ++o, from += rows * columns, to += rows * columns) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
    }
  }
}

std::string megabytes(size_t bytes) { return human_bytes(static_cast<double>(bytes)); }

}  // namespace

Precision precision_of(const graph::NetworkConfig& config) {
  const std::string& name = config.net.text("precision");
  return name == "bf16" ? Precision::kBf16 : name == "tf32" ? Precision::kTf32 : Precision::kFp32;
}

Network::Network(std::shared_ptr<Gpu> gpu, const graph::NetworkConfig& config, const Blocks& blocks,
                 const NetworkOptions& options)
    : gpu_(std::move(gpu)),
      blocks_(blocks),
      options_(options),
      path_(config.path),
      input_(config.input),
      batch_(config.mini_batch),
      classes_(config.classes()) {
  make_nodes(config);
  place_parameters();
  if (options_.fused) wire(&nodes_);
  make_parameters(config);
  make_memory(config);
  for (const auto& node : nodes_) {
    if (!node->bypassed) node->kernel->prepare(node.get());
  }
  host_probabilities_.resize(static_cast<size_t>(batch_) * static_cast<size_t>(classes_));
  host_logits_.resize(host_probabilities_.size());
}

void Network::make_nodes(const graph::NetworkConfig& config) {
  const Type type = activation_type(options_.precision);
  for (const graph::LayerConfig& layer : config.layers) {
    auto node = std::make_unique<Node>();
    node->config = &layer;
    node->index = layer.index;
    node->batch = batch_;
    node->gpu = gpu_.get();
    node->precision = options_.precision;
    node->type = node->in_type = type;
    node->in = layer.in;
    node->trains = options_.trains;
    for (const int number : layer.sources) {
      Source source;
      source.node = number < 0 ? nullptr : nodes_[static_cast<size_t>(number)].get();
      node->sources.push_back(source);
    }
    node->kernel = gpu_->make_kernel(layer);
    if (node->kernel == nullptr) cpu::fail_no_kernel(layer, graph::Device::kCuda);
    nodes_.push_back(std::move(node));
  }
}

// Weights first: they alone have copies in the type of the activations.
void Network::place_parameters() {
  using Kind = host::Block::Kind;
  const auto place = [&](const host::Block& block, int layer, size_t* end, std::vector<Place>* places) {
    Place p;
    p.offset = *end;
    p.block = &block;
    p.layer = layer;
    if (block.kind == Kind::kWeight) {
      const graph::LayerConfig& config = *nodes_[static_cast<size_t>(layer)]->config;
      const bool connected = config.op->section == "connected";
      const int64_t filter = block.count / config.out.channels;
      p.channels = connected ? config.in.channels : config.in.channels / std::max(1, config.options.integer("groups"));
      p.space = filter / p.channels;
    }
    *end += rounded(static_cast<size_t>(block.count), kChunk);
    places->push_back(p);
  };
  for (const bool weights : {true, false}) {
    for (size_t layer = 0; layer < blocks_.size(); ++layer) {
      for (const host::Block& block : blocks_[layer]) {
        if (block.update == nullptr || (block.kind == Kind::kWeight) != weights) continue;
        place(block, static_cast<int>(layer), &parameters_, &places_);
      }
    }
    if (weights) weights_ = parameters_;
  }
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    for (const host::Block& block : blocks_[layer]) {
      if (block.update == nullptr) place(block, static_cast<int>(layer), &statistics_, &statistics_places_);
    }
  }
}

void Network::make_parameters(const graph::NetworkConfig& config) {
  const bool copies = activation_type(options_.precision) == Type::kBFloat16;
  bool there = values_.allocate(gpu_.get(), parameters_ * sizeof(float)) &&
               statistics_memory_.allocate(gpu_.get(), statistics_ * sizeof(float));
  if (there && copies) there = copies_.allocate(gpu_.get(), weights_ * bytes_of(Type::kBFloat16));
  if (there && options_.trains) {
    there = gradients_.allocate(gpu_.get(), parameters_ * sizeof(float)) &&
            momentum_.allocate(gpu_.get(), parameters_ * sizeof(float));
    if (there && copies) there = copy_gradients_.allocate(gpu_.get(), weights_ * bytes_of(Type::kBFloat16));
  }
  // Values, and where it trains gradients and momentum; copies are of half the size.
  const size_t floats_each = options_.trains ? 3 : 1, halves_each = copies ? (options_.trains ? 2 : 1) : 0;
  require_memory(
      there,
      (floats_each * parameters_ + statistics_) * sizeof(float) + halves_each * weights_ * bytes_of(Type::kBFloat16), 0,
      config);
  using Kind = host::Block::Kind;
  const auto bind = [&](Place* p, const Memory& memory, bool learnt) {
    Values& v = p->values;
    v.value = memory.as<float>() + p->offset;
    v.count = p->block->count;
    const bool weight = p->block->kind == Kind::kWeight;
    if (learnt && options_.trains) v.gradient = gradients_.as<float>() + p->offset;
    v.copy = v.value;
    const bool convolution = nodes_[static_cast<size_t>(p->layer)]->config->op->section == "convolutional";
    if (weight && copies) {
      v.copy = copies_.as<BFloat16>() + p->offset;
      // Products of [connected] are float at once.
      if (options_.trains && convolution) v.copy_gradient = copy_gradients_.as<BFloat16>() + p->offset;
    }
    Node& node = *nodes_[static_cast<size_t>(p->layer)];
    switch (p->block->kind) {
      case Kind::kBias:
        node.bias = v;
        break;
      case Kind::kScale:
        node.scale = v;
        break;
      case Kind::kMean:
        node.mean = v;
        break;
      case Kind::kVariance:
        node.variance = v;
        break;
      case Kind::kWeight:
        node.weights = v;
        break;
    }
  };
  for (Place& p : places_) bind(&p, values_, true);
  for (Place& p : statistics_places_) bind(&p, statistics_memory_, false);
  if (!options_.trains) return;

  std::vector<UpdateRule> rules;
  std::vector<uint16_t> chunks(parameters_ / kChunk);
  for (const Place& p : places_) {
    const cfg::Options& o = config.layers[static_cast<size_t>(p.layer)].options;
    UpdateRule rule;
    rule.rate_factor = static_cast<float>(o.real("learning_rate"));
    rule.decays = p.block->kind == Kind::kWeight ? 1 : 0;
    rule.frozen = p.layer < options_.first_trained ? 1 : 0;
    const size_t first = p.offset / kChunk;
    const size_t count = rounded(static_cast<size_t>(p.block->count), kChunk) / kChunk;
    std::fill_n(chunks.begin() + static_cast<std::ptrdiff_t>(first), count, static_cast<uint16_t>(rules.size()));
    rules.push_back(rule);
  }
  if (rules.size() > 65535) fail("%s: more than 65535 parameters; use fewer layers", path_.c_str());
  there = rules_.allocate(gpu_.get(), std::max<size_t>(1, rules.size()) * sizeof(UpdateRule)) &&
          chunks_.allocate(gpu_.get(), std::max<size_t>(1, chunks.size()) * sizeof(uint16_t));
  require_memory(there, own_bytes(), 0, config);
  gpu_->copy_in(rules_.data(), rules.data(), rules.size() * sizeof(UpdateRule));
  gpu_->copy_in(chunks_.data(), chunks.data(), chunks.size() * sizeof(uint16_t));
  gpu_->finish();
  plan_gradients(&nodes_, options_.first_trained);
}

// Buffers that are never needed at the same time lie at the same place. Layer i of n runs forward at tick i and
// backward at tick 2n - 1 - i.
void Network::make_memory(const graph::NetworkConfig& config) {
  const int count = size();
  Node& last = *nodes_.back();
  Node* logits = last.sources[0].node;
  // The logits are float where whoever writes them can and nobody but the cost reads them.
  if (logits != nullptr && logits->kernel->needs(*logits).float_output) {
    int readers = 0;
    for (const auto& node : nodes_) {
      for (const Source& source : node->sources) readers += !node->bypassed && source.node == logits ? 1 : 0;
    }
    if (readers == 1) logits->type = Type::kFloat;
  }
  const auto backward_tick = [&](const Node& node) { return 2 * count - 1 - node.index; };
  std::vector<cpu::Buffer> outputs(nodes_.size()), deltas(nodes_.size()), kept(nodes_.size());
  const auto touch = [](cpu::Buffer* buffer, int tick) {
    buffer->birth = std::min(buffer->birth, tick);
    buffer->death = std::max(buffer->death, tick);
  };
  std::vector<Needs> needs;
  for (const auto& node : nodes_) {
    const auto i = static_cast<size_t>(node->index);
    needs.push_back(node->bypassed ? Needs{} : node->kernel->needs(*node));
    for (cpu::Buffer* buffer : {&outputs[i], &deltas[i], &kept[i]}) {
      buffer->birth = 2 * count;
      buffer->death = -1;
    }
    if (node->bypassed) continue;
    const bool backward = options_.trains && node->reached;
    const size_t bytes = node->size() * bytes_of(node->type);
    if (node.get() != &last) {
      outputs[i].size = floats(bytes);
      touch(&outputs[i], node->index);
      if (backward && needs[i].reads_output) touch(&outputs[i], backward_tick(*node));
    }
    if (node.get() == logits) touch(&outputs[i], 2 * count);
    for (size_t slot = 0; slot < node->sources.size(); ++slot) {
      const Source& source = node->sources[slot];
      if (source.node == nullptr) continue;
      const auto k = static_cast<size_t>(source.node->index);
      touch(&outputs[k], node->index);
      const bool addend = node->sums && slot + 1 == node->sources.size();
      if (backward && needs[i].reads_input && !addend) touch(&outputs[k], backward_tick(*node));
      if (backward && source.wanted) touch(&deltas[k], node.get() == &last ? node->index : backward_tick(*node));
    }
    if (options_.trains && needs[i].kept > 0) {
      kept[i].size = floats(needs[i].kept);
      touch(&kept[i], node->index);
      touch(&kept[i], node->reached ? backward_tick(*node) : node->index);
    }
    if (backward && node.get() != &last) {
      deltas[i].size = floats(bytes);
      touch(&deltas[i], backward_tick(*node));
    }
  }
  std::vector<cpu::Buffer> buffers;
  std::vector<void**> targets;
  const auto add = [&](const cpu::Buffer& buffer, void** target) {
    if (buffer.size == 0) return;
    buffers.push_back(buffer);
    if (!options_.fused) {
      buffers.back().birth = 0;
      buffers.back().death = 2 * count;
    }
    targets.push_back(target);
  };
  size_t constants = 0, workspace = 0;
  int channels = 1;
  for (const auto& node : nodes_) {
    const auto i = static_cast<size_t>(node->index);
    add(outputs[i], &node->output);
    add(deltas[i], &node->delta);
    add(kept[i], &node->kept);
    constants += rounded(needs[i].constants, kChunk);
    workspace = std::max(workspace, needs[i].workspace);
    channels = std::max(channels, node->out().channels);
  }
  const size_t arena = cpu::place(&buffers) * sizeof(float);
  // Sums over blocks (gpu/columns.h): numbers, then counters.
  const size_t partial = std::max(size_t{1} << 17, 2 * static_cast<size_t>(channels)) * sizeof(float);
  const auto batch = static_cast<size_t>(batch_), classes = static_cast<size_t>(classes_);
  Cutter io;
  const size_t images = io.take(batch * input_.size() * bytes_of(activation_type(options_.precision)));
  const size_t labels = io.take(batch * sizeof(int));
  const size_t teacher = io.take(batch * classes * sizeof(float));
  const size_t step = io.take(sizeof(StepInput));
  const size_t results = io.take(kSlots * sizeof(StepResult));
  const size_t probabilities = io.take(batch * classes * sizeof(float));
  const size_t planes = batch * input_.size() * sizeof(float);
  const size_t before = own_bytes();
  const bool there = arena_.allocate(gpu_.get(), arena) && planes_.allocate(gpu_.get(), planes) &&
                     io_memory_.allocate(gpu_.get(), io.size()) &&
                     constants_.allocate(gpu_.get(), constants * sizeof(float)) &&
                     workspace_.allocate(gpu_.get(), workspace) &&
                     sums_.allocate(gpu_.get(), partial + static_cast<size_t>(channels) * sizeof(unsigned)) &&
                     gpu_->free_bytes() >= gpu_->spare_bytes();
  require_memory(there, before + constants * sizeof(float) + partial, arena + planes + io.size() + workspace, config);
  io_ = {io_memory_.as<void>(images),        activation_type(options_.precision), io_memory_.as<int>(labels),
         io_memory_.as<float>(teacher),      io_memory_.as<StepInput>(step),      io_memory_.as<StepResult>(results),
         io_memory_.as<float>(probabilities)};
  own_step_ = io_.step;
  for (size_t i = 0; i < buffers.size(); ++i) *targets[i] = arena_.as<float>() + buffers[i].offset;
  size_t constant = 0;
  for (const auto& node : nodes_) {
    node->constants = constants_.as<float>() + constant;
    constant += rounded(needs[static_cast<size_t>(node->index)].constants, kChunk);
    node->workspace = workspace_.data();
    node->partial = sums_.as<float>();
    node->counters = sums_.as<unsigned>(partial);
    node->network_input = io_.images;
  }
}

size_t Network::own_bytes() const {
  size_t bytes = 0;
  for (const Memory* memory : {&values_, &gradients_, &momentum_, &statistics_memory_, &copies_, &copy_gradients_,
                               &rules_, &chunks_, &arena_, &constants_, &io_memory_, &workspace_, &sums_, &planes_}) {
    bytes += memory->bytes();
  }
  return bytes;
}

void Network::require_memory(bool there, size_t fixed, size_t per_batch, const graph::NetworkConfig& config) const {
  if (there) return;
  // What is given back counts as free.
  const size_t all = gpu_->free_bytes() + own_bytes(), spare = gpu_->spare_bytes();
  const size_t free = all > spare ? all - spare : 0;
  std::string advice = "use a smaller network";
  for (int subdivisions = config.subdivisions + 1; subdivisions <= config.batch && per_batch > 0; ++subdivisions) {
    if (config.batch % subdivisions != 0) continue;
    const double share = static_cast<double>(config.subdivisions) / subdivisions;
    if (static_cast<double>(fixed) + share * static_cast<double>(per_batch) > 0.9 * static_cast<double>(free)) continue;
    advice = format("subdivisions=%d would fit", subdivisions);
    break;
  }
  fail("%s: out of memory on %s: the network needs %s, and the libraries %s beside it; %s are free; %s", path_.c_str(),
       gpu_->name().c_str(), megabytes(fixed + per_batch).c_str(), megabytes(spare).c_str(), megabytes(all).c_str(),
       advice.c_str());
}

void Network::push() {
  std::vector<float> values(parameters_), momentum(options_.trains ? parameters_ : 0), statistics(statistics_);
  for (const Place& p : places_) {
    const int64_t outer = p.block->count / (p.channels * p.space);
    transpose(p.block->value, outer, p.channels, p.space, values.data() + p.offset);
    if (options_.trains) transpose(p.block->update, outer, p.channels, p.space, momentum.data() + p.offset);
  }
  for (const Place& p : statistics_places_) {
    std::copy_n(p.block->value, p.block->count, statistics.data() + p.offset);
  }
  gpu_->copy_in(values_.data(), values.data(), values.size() * sizeof(float));
  gpu_->copy_in(statistics_memory_.data(), statistics.data(), statistics.size() * sizeof(float));
  if (options_.trains) {
    gpu_->copy_in(momentum_.data(), momentum.data(), momentum.size() * sizeof(float));
    gpu_->zero(gradients_.data(), gradients_.bytes());
  }
  if (copies_.data() != nullptr) {
    gpu_->operations().refresh_copies(*gpu_, values_.as<float>(), copies_.data(), weights_);
  }
  gpu_->finish();
  prepared_ = false;
}

void Network::pull() {
  std::vector<float> values(parameters_), momentum(options_.trains ? parameters_ : 0), gradients(momentum.size()),
      statistics(statistics_);
  gpu_->copy_out(values.data(), values_.data(), values.size() * sizeof(float));
  gpu_->copy_out(statistics.data(), statistics_memory_.data(), statistics.size() * sizeof(float));
  if (options_.trains) {
    gpu_->copy_out(momentum.data(), momentum_.data(), momentum.size() * sizeof(float));
    gpu_->copy_out(gradients.data(), gradients_.data(), gradients.size() * sizeof(float));
    for (size_t i = 0; i < momentum.size(); ++i) momentum[i] += gradients[i];
  }
  for (const Place& p : places_) {
    const int64_t outer = p.block->count / (p.channels * p.space);
    transpose(values.data() + p.offset, outer, p.space, p.channels, p.block->value);
    if (options_.trains) transpose(momentum.data() + p.offset, outer, p.space, p.channels, p.block->update);
  }
  for (const Place& p : statistics_places_) {
    std::copy_n(statistics.data() + p.offset, p.block->count, p.block->value);
  }
}

void Network::read_from(const Io& other) {
  io_.images = other.images;
  io_.step = other.step;
  for (const auto& node : nodes_) node->network_input = other.images;
}

Pass Network::pass(bool training, bool scored) const {
  Pass pass;
  pass.training = training;
  pass.scored = scored;
  pass.step = io_.step;
  pass.labels = io_.labels;
  pass.teacher = io_.teacher;
  pass.results = io_.results;
  pass.probabilities = io_.probabilities;
  return pass;
}

void Network::run_forward(bool training, bool scored, int marks) {
  const Pass p = pass(training, scored);
  if (training) {
    prepared_ = false;
  } else if (!prepared_) {
    for (const auto& node : nodes_) {
      if (!node->bypassed) node->kernel->prepare_inference(*node);
    }
    prepared_ = true;
  }
  for (const auto& node : nodes_) {
    if (marks >= 0) gpu_->mark(static_cast<size_t>(marks++));
    if (node->bypassed) continue;
    if (training) {
      node->kernel->forward(*node, p);
    } else {
      node->kernel->infer(*node, p);
    }
  }
  if (marks >= 0) gpu_->mark(static_cast<size_t>(marks));
}

void Network::run_backward(int marks) {
  const Pass p = pass(true, true);
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (marks >= 0) gpu_->mark(static_cast<size_t>(marks++));
    Node& node = *nodes_[i];
    if (!node.bypassed && node.reached) node.kernel->backward(node, p);
  }
  if (copy_gradients_.data() != nullptr) {
    gpu_->operations().add_copies(*gpu_, gradients_.as<float>(), copy_gradients_.data(), weights_);
  }
  if (marks >= 0) gpu_->mark(static_cast<size_t>(marks));
}

void Network::run_update(const UpdateSettings& settings) {
  Update u{};
  u.value = values_.as<float>();
  u.gradient = gradients_.as<float>();
  u.momentum = momentum_.as<float>();
  u.copy = copies_.data();
  u.copied = weights_;
  u.count = parameters_;
  u.rule_of_chunk = chunks_.as<uint16_t>();
  u.rules = rules_.as<UpdateRule>();
  u.step = io_.step;
  u.momentum_factor = settings.momentum;
  u.decay = settings.decay;
  u.batch = settings.batch;
  u.nesterov = settings.nesterov;
  gpu_->operations().update(*gpu_, u);
  prepared_ = false;
}

void Network::import(const dng::cpu::Pass& pass) {
  const auto batch = static_cast<size_t>(batch_), classes = static_cast<size_t>(classes_);
  const size_t bytes = batch * input_.size() * sizeof(float);
  gpu_->copy_in(planes_.data(), pass.input, bytes);
  gpu_->operations().import_images(*gpu_, planes_.as<float>(), input_, batch_, io_.type, io_.images);
  // The copy may run after this returns, and reads it then.
  StepInput& step = imported_step_;
  step = {};
  step.seed = pass.seed;
  step.position = pass.first_position;
  step.steps = pass.steps;
  step.epoch = pass.epoch;
  step.count = pass.count;
  step.has_labels = pass.labels != nullptr ? 1 : 0;
  step.has_teacher = pass.teacher != nullptr ? 1 : 0;
  if (pass.labels != nullptr) {
    gpu_->copy_in(io_.labels, pass.labels, static_cast<size_t>(pass.count) * sizeof(int));
  }
  if (pass.teacher != nullptr) {
    gpu_->copy_in(io_.teacher, pass.teacher, static_cast<size_t>(pass.count) * classes * sizeof(float));
  }
  gpu_->copy_in(io_.step, &step, sizeof step);
}

void Network::forward(dng::cpu::Pass* pass) {
  import(*pass);
  run_forward(pass->training, true);
  const size_t count = host_probabilities_.size();
  StepResult result;
  gpu_->copy_out(&result, io_.results, sizeof result);
  gpu_->copy_out(host_probabilities_.data(), io_.probabilities, count * sizeof(float));
  const Node& last = *nodes_.back();
  const Type type = last.type_of(0);
  if (type == Type::kFloat) {
    gpu_->copy_out(host_logits_.data(), last.input(), count * sizeof(float));
  } else {
    std::vector<BFloat16> raw(count);
    gpu_->copy_out(raw.data(), last.input(), count * sizeof raw[0]);
    std::transform(raw.begin(), raw.end(), host_logits_.begin(), [](BFloat16 x) { return to_float(x); });
  }
  pass->loss = result.loss;
}

void Network::backward() {
  run_backward();
  gpu_->finish();
}

std::vector<float> Network::output(int index) {
  const Node& node = *nodes_[static_cast<size_t>(index)];
  std::vector<float> raw(node.size()), plain(node.size());
  if (node.output == nullptr) return {};
  if (node.type == Type::kFloat) {
    gpu_->copy_out(raw.data(), node.output, raw.size() * sizeof(float));
  } else {
    std::vector<BFloat16> narrow(raw.size());
    gpu_->copy_out(narrow.data(), node.output, narrow.size() * sizeof narrow[0]);
    std::transform(narrow.begin(), narrow.end(), raw.begin(), [](BFloat16 x) { return to_float(x); });
  }
  const data::Geometry& shape = node.out();
  transpose(raw.data(), batch_, static_cast<int64_t>(shape.height) * shape.width, shape.channels, plain.data());
  return plain;
}

}  // namespace dng::gpu
