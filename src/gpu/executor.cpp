#include "gpu/executor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "graph/fusion.h"
#include "graph/pass_plan.h"

namespace dng::gpu {
namespace {

constexpr size_t kAlignment = 256;

size_t rounded(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }
size_t aligned(size_t bytes) { return rounded(bytes, kAlignment); }

// Lays out the parts of one allocation, one after the other.
class Parts {
 public:
  size_t add(size_t bytes) {
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

Values& values_of(Node* node, host::Block::Kind kind) {
  using Kind = host::Block::Kind;
  switch (kind) {
    case Kind::kBias:
      return node->bias;
    case Kind::kScale:
      return node->scale;
    case Kind::kMean:
      return node->mean;
    case Kind::kVariance:
      return node->variance;
    case Kind::kWeight:
      break;
  }
  return node->weights;
}

std::string bytes_text(size_t bytes) { return human_bytes(static_cast<double>(bytes)); }

}  // namespace

Precision precision_of(const graph::NetworkConfig& config) {
  const std::string& name = config.net.text("precision");
  return name == "bf16" ? Precision::kBf16 : name == "tf32" ? Precision::kTf32 : Precision::kFp32;
}

Executor::Executor(std::shared_ptr<Gpu> gpu, const graph::NetworkConfig& config, const host::Blocks& blocks,
                   const NetworkOptions& options)
    : gpu_(std::move(gpu)),
      blocks_(blocks),
      options_(options),
      path_(config.path),
      input_(config.input),
      batch_(config.mini_batch),
      classes_(config.classes()) {
  times_.resize(config.layers.size());
  make_nodes(config);
  place_parameters();
  if (options_.fused) graph::fuse(graph::graph_of(nodes_));
  make_parameters(config);
  make_memory(config);
  for (const auto& node : nodes_) {
    if (!node->plan.bypassed()) node->kernel->prepare(*node);
  }
  host_probabilities_.resize(static_cast<size_t>(batch_) * static_cast<size_t>(classes_));
  host_logits_.resize(host_probabilities_.size());
}

void Executor::make_nodes(const graph::NetworkConfig& config) {
  const Type type = activation_type(options_.precision);
  for (const graph::LayerConfig& layer : config.layers) {
    auto node = std::make_unique<Node>();
    graph::connect(layer, batch_, nodes_, node.get());
    node->gpu = gpu_.get();
    node->precision = options_.precision;
    node->type = node->in_type = type;
    node->trains = options_.trains;
    const auto& own = blocks_[static_cast<size_t>(layer.index)];
    node->plan.has_parameters = std::any_of(own.begin(), own.end(), [](const host::Block& b) { return b.learns(); });
    node->kernel = gpu_->make_kernel(layer);
    nodes_.push_back(std::move(node));
  }
}

// Weights first: they alone have copies in the type of the activations.
void Executor::place_parameters() {
  using Kind = host::Block::Kind;
  const auto place = [&](const host::Block& block, int layer, size_t* end, std::vector<Place>* places) {
    Place p;
    p.offset = *end;
    p.block = &block;
    p.layer = layer;
    if (block.kind == Kind::kWeight) {
      const graph::LayerConfig& config = *nodes_[static_cast<size_t>(layer)]->config;
      const int groups = config.op->section == "convolutional" ? config.options.integer("groups") : 1;
      // [local] has other filters at every pixel of its output.
      const int outputs = static_cast<int>(config.op->section == "local" ? config.out.size()
                                                                         : static_cast<size_t>(config.out.channels));
      const bool depthwise = is_depthwise(groups, config.in.channels, outputs);
      p.channels = depthwise ? outputs : config.in.channels / groups;
      p.space = block.count / (depthwise ? outputs : outputs * p.channels);
    }
    *end += rounded(static_cast<size_t>(block.count), kChunk);
    places->push_back(p);
  };
  for (const bool weights : {true, false}) {
    for (size_t layer = 0; layer < blocks_.size(); ++layer) {
      for (const host::Block& block : blocks_[layer]) {
        if (!block.learns() || (block.kind == Kind::kWeight) != weights) continue;
        place(block, static_cast<int>(layer), &parameters_, &places_);
      }
    }
    if (weights) weights_ = parameters_;
  }
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    for (const host::Block& block : blocks_[layer]) {
      if (!block.learns()) place(block, static_cast<int>(layer), &statistics_, &statistics_places_);
    }
  }
}

void Executor::make_parameters(const graph::NetworkConfig& config) {
  const bool copies = activation_type(options_.precision) == Type::kBFloat16;
  bool fits = values_.allocate(gpu_.get(), parameters_ * sizeof(float)) &&
              statistics_memory_.allocate(gpu_.get(), statistics_ * sizeof(float));
  if (fits && copies) fits = copies_.allocate(gpu_.get(), weights_ * bytes_of(Type::kBFloat16));
  if (fits && options_.trains) {
    fits = gradients_.allocate(gpu_.get(), parameters_ * sizeof(float)) &&
           momentum_.allocate(gpu_.get(), parameters_ * sizeof(float));
    if (fits && has_second_moments()) fits = second_moments_.allocate(gpu_.get(), parameters_ * sizeof(float));
    if (fits && copies) fits = copy_gradients_.allocate(gpu_.get(), weights_ * bytes_of(Type::kBFloat16));
  }
  // Values, and where it trains gradients, momentum and perhaps second moments; copies are of half the size.
  const size_t floats_each = options_.trains ? (has_second_moments() ? 4 : 3) : 1,
               halves_each = copies ? (options_.trains ? 2 : 1) : 0;
  require_memory(
      fits,
      (floats_each * parameters_ + statistics_) * sizeof(float) + halves_each * weights_ * bytes_of(Type::kBFloat16), 0,
      config);
  using Kind = host::Block::Kind;
  const auto bind = [&](Place* p, const Memory& memory, bool learns) {
    Values& v = p->values;
    v.value = memory.as<float>() + p->offset;
    v.count = p->block->count;
    const bool weight = p->block->kind == Kind::kWeight;
    if (learns && options_.trains) v.gradient = gradients_.as<float>() + p->offset;
    v.copy = v.value;
    const bool convolution = nodes_[static_cast<size_t>(p->layer)]->config->op->section == "convolutional";
    if (weight && copies) {
      v.copy = copies_.as<BFloat16>() + p->offset;
      // The gradient of [connected] is written as float.
      if (options_.trains && convolution) v.copy_gradient = copy_gradients_.as<BFloat16>() + p->offset;
    }
    values_of(nodes_[static_cast<size_t>(p->layer)].get(), p->block->kind) = v;
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
  fits = rules_.allocate(gpu_.get(), std::max<size_t>(1, rules.size()) * sizeof(UpdateRule)) &&
         chunks_.allocate(gpu_.get(), std::max<size_t>(1, chunks.size()) * sizeof(uint16_t));
  require_memory(fits, own_bytes(), 0, config);
  gpu_->copy_in(rules_.data(), rules.data(), rules.size() * sizeof(UpdateRule));
  gpu_->copy_in(chunks_.data(), chunks.data(), chunks.size() * sizeof(uint16_t));
  gpu_->finish();
}

void Executor::make_memory(const graph::NetworkConfig& config) {
  const graph::Graph graph = graph::graph_of(nodes_);
  const auto readers = graph::readers_of(graph);
  nodes_.back()->plan.output_memory = graph::OutputMemory::kExternal;
  // The logits are float where the kernel that writes them can and nobody but the cost reads them.
  Node* logits = nodes_.back()->source();
  if (logits != nullptr) {
    logits->plan.output_memory = graph::OutputMemory::kUntilPassEnd;
    const bool cost_alone = readers[static_cast<size_t>(logits->index)].size() == 1;
    if (cost_alone && logits->kernel->needs(*logits).float_output) logits->type = Type::kFloat;
  }
  graph::PlanSettings plan;
  plan.first_trained = options_.first_trained;
  plan.trains = options_.trains;
  plan.fused = options_.fused;
  const size_t arena = graph::plan_passes(graph, plan) * sizeof(float);

  std::vector<Needs> needs;
  for (const auto& node : nodes_) needs.push_back(node->plan.bypassed() ? Needs{} : node->kernel->needs(*node));
  size_t constants = 0, workspace = 0;
  int channels = 1;
  for (const auto& node : nodes_) {
    const auto i = static_cast<size_t>(node->index);
    constants += rounded(needs[i].constants, kChunk);
    workspace = std::max(workspace, needs[i].workspace);
    channels = std::max(channels, node->out().channels);
  }
  // Sums over blocks (gpu/columns.h): floats, then counters.
  const size_t partial = std::max(size_t{1} << 17, 2 * static_cast<size_t>(channels)) * sizeof(float);
  const auto batch = static_cast<size_t>(batch_), classes = static_cast<size_t>(classes_);
  Parts io;
  const size_t images = io.add(batch * input_.size() * bytes_of(activation_type(options_.precision)));
  const size_t labels = io.add(batch * sizeof(int));
  const size_t mixes = io.add(batch * sizeof(LabelMix));
  const size_t teacher = io.add(batch * classes * sizeof(float));
  const size_t step = io.add(sizeof(StepInput));
  const size_t results = io.add(kSlots * sizeof(StepResult));
  const size_t probabilities = io.add(batch * classes * sizeof(float));
  const size_t planes = batch * input_.size() * sizeof(float);
  const size_t before = own_bytes();
  const bool fits = arena_.allocate(gpu_.get(), arena) && planes_.allocate(gpu_.get(), planes) &&
                    io_memory_.allocate(gpu_.get(), io.size()) &&
                    constants_.allocate(gpu_.get(), constants * sizeof(float)) &&
                    workspace_.allocate(gpu_.get(), workspace) &&
                    sums_.allocate(gpu_.get(), partial + static_cast<size_t>(channels) * sizeof(unsigned)) &&
                    gpu_->free_bytes() >= gpu_->spare_bytes();
  require_memory(fits, before + constants * sizeof(float) + partial, arena + planes + io.size() + workspace, config);
  io_ = {io_memory_.as<void>(images),        activation_type(options_.precision), io_memory_.as<int>(labels),
         io_memory_.as<LabelMix>(mixes),     io_memory_.as<float>(teacher),       io_memory_.as<StepInput>(step),
         io_memory_.as<StepResult>(results), io_memory_.as<float>(probabilities)};
  own_step_ = io_.step;
  const auto bind = [&](size_t offset, void** target) {
    if (offset != graph::kNoMemory) *target = arena_.as<float>() + offset;
  };
  size_t constant = 0;
  for (const auto& node : nodes_) {
    bind(node->plan.offsets.output, &node->output);
    bind(node->plan.offsets.delta, &node->delta);
    bind(node->plan.offsets.saved, &node->saved);
    node->constants = constants_.as<float>() + constant;
    constant += rounded(needs[static_cast<size_t>(node->index)].constants, kChunk);
    node->workspace = workspace_.data();
    node->sums = {sums_.as<float>(), sums_.as<unsigned>(partial)};
    node->network_input = io_.images;
  }
}

size_t Executor::own_bytes() const {
  size_t bytes = 0;
  for (const Memory* memory :
       {&values_, &gradients_, &momentum_, &second_moments_, &statistics_memory_, &copies_, &copy_gradients_, &rules_,
        &chunks_, &arena_, &constants_, &io_memory_, &workspace_, &sums_, &planes_}) {
    bytes += memory->bytes();
  }
  return bytes;
}

void Executor::require_memory(bool fits, size_t fixed, size_t per_batch, const graph::NetworkConfig& config) const {
  if (fits) return;
  // What will be released counts as free.
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
       gpu_->name().c_str(), bytes_text(fixed + per_batch).c_str(), bytes_text(spare).c_str(), bytes_text(all).c_str(),
       advice.c_str());
}

void Executor::push() {
  std::vector<float> values(parameters_), momentum(options_.trains ? parameters_ : 0),
      second(has_second_moments() ? parameters_ : 0), statistics(statistics_);
  for (const Place& p : places_) {
    const int64_t outer = p.block->count / (p.channels * p.space);
    transpose(p.block->value, outer, p.channels, p.space, values.data() + p.offset);
    if (options_.trains) transpose(p.block->update, outer, p.channels, p.space, momentum.data() + p.offset);
    if (!second.empty()) transpose(p.block->second, outer, p.channels, p.space, second.data() + p.offset);
  }
  for (const Place& p : statistics_places_) {
    std::copy_n(p.block->value, p.block->count, statistics.data() + p.offset);
  }
  gpu_->copy_in(values_.data(), values.data(), values.size() * sizeof(float));
  gpu_->copy_in(statistics_memory_.data(), statistics.data(), statistics.size() * sizeof(float));
  if (options_.trains) {
    gpu_->copy_in(momentum_.data(), momentum.data(), momentum.size() * sizeof(float));
    if (!second.empty()) gpu_->copy_in(second_moments_.data(), second.data(), second.size() * sizeof(float));
    gpu_->zero(gradients_.data(), gradients_.bytes());
  }
  if (copies_.data() != nullptr) {
    gpu_->operations().refresh_copies(*gpu_, values_.as<float>(), copies_.data(), weights_);
  }
  gpu_->finish();
  prepared_ = false;
}

void Executor::pull() {
  std::vector<float> values(parameters_), momentum(options_.trains ? parameters_ : 0), gradients(momentum.size()),
      second(has_second_moments() ? parameters_ : 0), statistics(statistics_);
  gpu_->copy_out(values.data(), values_.data(), values.size() * sizeof(float));
  gpu_->copy_out(statistics.data(), statistics_memory_.data(), statistics.size() * sizeof(float));
  if (options_.trains) {
    gpu_->copy_out(momentum.data(), momentum_.data(), momentum.size() * sizeof(float));
    if (!second.empty()) gpu_->copy_out(second.data(), second_moments_.data(), second.size() * sizeof(float));
    gpu_->copy_out(gradients.data(), gradients_.data(), gradients.size() * sizeof(float));
    for (size_t i = 0; i < momentum.size(); ++i) momentum[i] += gradients[i];
  }
  for (const Place& p : places_) {
    const int64_t outer = p.block->count / (p.channels * p.space);
    transpose(values.data() + p.offset, outer, p.space, p.channels, p.block->value);
    if (options_.trains) transpose(momentum.data() + p.offset, outer, p.space, p.channels, p.block->update);
    if (!second.empty()) transpose(second.data() + p.offset, outer, p.space, p.channels, p.block->second);
  }
  for (const Place& p : statistics_places_) {
    std::copy_n(statistics.data() + p.offset, p.block->count, p.block->value);
  }
}

void Executor::read_from(const Io& other) {
  io_.images = other.images;
  io_.step = other.step;
  for (const auto& node : nodes_) node->network_input = other.images;
  evaluation_.reset();
}

Pass Executor::pass(bool training, bool scored) const {
  Pass pass;
  pass.training = training;
  pass.scored = scored;
  pass.step = io_.step;
  pass.labels = io_.labels;
  pass.mixes = io_.mixes;
  pass.teacher = io_.teacher;
  pass.results = io_.results;
  pass.probabilities = io_.probabilities;
  return pass;
}

void Executor::prepare_inference() {
  for (const auto& node : nodes_) {
    if (!prepared_ && !node->plan.bypassed()) node->kernel->prepare_inference(*node);
  }
  prepared_ = true;
}

void Executor::run_forward(bool training, bool scored, int marks) {
  const Pass p = pass(training, scored);
  if (training) {
    prepared_ = false;
  } else {
    prepare_inference();
  }
  for (const auto& node : nodes_) {
    if (marks >= 0) gpu_->mark(static_cast<size_t>(marks++));
    if (node->plan.bypassed()) continue;
    if (training) {
      node->kernel->forward(*node, p);
    } else {
      node->kernel->infer(*node, p);
    }
  }
  if (marks >= 0) gpu_->mark(static_cast<size_t>(marks));
}

void Executor::run_backward(int marks) {
  const Pass p = pass(true, true);
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (marks >= 0) gpu_->mark(static_cast<size_t>(marks++));
    Node& node = *nodes_[i];
    if (node.plan.runs_backward()) node.kernel->backward(node, p);
  }
  if (copy_gradients_.data() != nullptr) {
    gpu_->operations().add_copies(*gpu_, gradients_.as<float>(), copy_gradients_.data(), weights_);
  }
  if (marks >= 0) gpu_->mark(static_cast<size_t>(marks));
}

void Executor::run_update(const UpdateSettings& settings) {
  Update u{};
  u.value = values_.as<float>();
  u.gradient = gradients_.as<float>();
  u.momentum = momentum_.as<float>();
  u.second = second_moments_.as<float>();
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
  u.adam = settings.adam;
  gpu_->operations().update(*gpu_, u);
  prepared_ = false;
}

void Executor::import(const dng::graph::Pass& pass) {
  const auto batch = static_cast<size_t>(batch_), classes = static_cast<size_t>(classes_);
  const size_t bytes = batch * input_.size() * sizeof(float);
  gpu_->copy_in(planes_.data(), pass.input, bytes);
  // The copy may run after this returns, and reads it then.
  StepInput& step = imported_step_;
  step = {};
  step.seed = pass.seed;
  step.position = pass.first_position;
  step.steps = pass.steps;
  step.epoch = pass.epoch;
  step.progress = pass.progress;
  step.count = pass.count;
  step.has_labels = pass.labels != nullptr ? 1 : 0;
  step.has_mixes = pass.mixes != nullptr ? 1 : 0;
  step.has_teacher = pass.teacher != nullptr ? 1 : 0;
  if (pass.labels != nullptr) {
    gpu_->copy_in(io_.labels, pass.labels, static_cast<size_t>(pass.count) * sizeof(int));
  }
  if (pass.mixes != nullptr) {
    gpu_->copy_in(io_.mixes, pass.mixes, static_cast<size_t>(pass.count) * sizeof(LabelMix));
  }
  if (pass.teacher != nullptr) {
    gpu_->copy_in(io_.teacher, pass.teacher, static_cast<size_t>(pass.count) * classes * sizeof(float));
  }
  gpu_->copy_in(io_.step, &step, sizeof step);
}

void Executor::forward(dng::graph::Pass* pass) {
  import(*pass);
  const auto queue = [&] {
    gpu_->operations().import_images(*gpu_, planes_.as<float>(), input_, batch_, io_.type, io_.images);
    run_forward(pass->training, true);
  };
  if (pass->training) {
    queue();
  } else {
    prepare_inference();  // not captured: once for many batches
    evaluation_.run(gpu_.get(), queue);
  }
  const size_t count = host_probabilities_.size();
  StepResult result;
  gpu_->copy_out(&result, io_.results, sizeof result);
  gpu_->copy_out(host_probabilities_.data(), io_.probabilities, count * sizeof(float));
  copy_out_floats(nodes_.back()->input(), nodes_.back()->type_of(0), &host_logits_);
  pass->loss = result.loss;
}

void Executor::backward(graph::Pass*) {
  run_backward();
  gpu_->finish();
}

void Executor::copy_out_floats(const void* from, Type type, std::vector<float>* to) {
  if (type == Type::kFloat) return gpu_->copy_out(to->data(), from, to->size() * sizeof(float));
  std::vector<BFloat16> raw(to->size());
  gpu_->copy_out(raw.data(), from, raw.size() * sizeof raw[0]);
  std::transform(raw.begin(), raw.end(), to->begin(), [](BFloat16 x) { return to_float(x); });
}

std::vector<float> Executor::output(int index) {
  const Node& node = *nodes_[static_cast<size_t>(index)];
  if (node.output == nullptr) return {};
  std::vector<float> raw(node.size()), plain(node.size());
  copy_out_floats(node.output, node.type, &raw);
  const data::Geometry& shape = node.out();
  transpose(raw.data(), batch_, static_cast<int64_t>(shape.height) * shape.width, shape.channels, plain.data());
  return plain;
}

}  // namespace dng::gpu
