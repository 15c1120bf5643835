// AlexeyAB's fork: forward(layer, network_state), network by value.
#include <darknet.h>
#include <dlfcn.h>

#include "host/host.h"
#include "host/layer_access.h"
#include "host/quiet.h"
#include "host/temporary_file.h"

namespace dng::host {

const Traits& traits() {
  static const Traits traits = [] {
    Traits t{};
    t.id = "alexeyab";
    t.name = "AlexeyAB's Darknet";
    t.batchnorm = {true, 0.00001f, 0.00001f, true, 0.1f, 0.05f};
    t.eval_crop = data::EvalCrop::kResizeMin;
    t.shortcut_needs_equal_shapes = true;
    t.shortcut_has_alpha_beta = false;
    t.route_has_groups = true;
    t.has_local_avgpool = true;
    t.has_scale_channels = true;
    t.needs_image_layer = true;
    t.ignores_stride_of_1x1 = false;
    t.saves_batchnorm_biases = true;
    t.weights_major = 0;
    t.weights_minor = 2;
    t.weights_revision = 5;
    t.activations = {"logistic", "loggy",  "relu", "relu6", "elu",  "selu",  "relie", "plse", "hardtan",
                     "lhtan",    "linear", "ramp", "leaky", "tanh", "stair", "swish", "mish"};
    t.verbs = {"3d",     "art",       "average", "captcha", "cifar",  "classify",   "coco",   "compare", "denormalize",
               "detect", "detector",  "dice",    "go",      "imtest", "nightmare",  "oneoff", "ops",     "partial",
               "reset",  "rescale",   "rgbgr",   "rnn",     "speed",  "statistics", "super",  "tag",     "test",
               "vid",    "visualize", "voxel",   "writing", "yolo",   "normalize"};
    t.classifier_verbs = {"demo", "gun",     "label",     "test",      "threat",
                          "try",  "valid10", "validcrop", "validfull", "validmulti"};
    t.binary = DNG_HOST_BINARY;
    return t;
  }();
  return traits;
}

struct Network::State {
  network* net = nullptr;
  OwnBuffers own;
};

namespace {

network* parse(const std::string& cfg, bool verbose, const char* doing) {
  gpu_index = -1;
  TemporaryFile file(cfg);
  const Quiet quiet(doing, !verbose);
  // The first matrix product says " Used AVX " on stdout, amid whatever is printed there: let it say so here.
  for (const char* name : {"is_avx", "is_fma_avx2"}) {
    if (void* address = dlsym(RTLD_DEFAULT, name)) reinterpret_cast<int (*)()>(address)();
  }
  return load_network(file.path(), nullptr, 0);
}

void destroy(network* net) {
  free_network_ptr(net);
  std::free(net);
}

network_state state_for(const network& net, int index, const float* input, float* input_delta, bool training) {
  network_state state{};
  state.net = net;
  state.index = index;
  state.input = const_cast<float*>(input);
  state.delta = input_delta;
  state.workspace = net.workspace;
  state.train = training ? 1 : 0;
  return state;
}

bool overwrites_delta(const layer& l) {
  return l.type == CONVOLUTIONAL || l.type == ACTIVE || l.type == BATCHNORM || l.type == NORMALIZATION ||
         l.type == REORG_OLD;
}

// On the CPU this host forgets the bias gradient of a convolution with batch norm. It left the pieces behind:
// mean_delta = -sum(delta * scale) / sqrt(variance + epsilon), and the bias gradient is sum(delta).
void add_lost_bias_gradient(const layer& l) {
  if (l.type != CONVOLUTIONAL || !l.batch_normalize) return;
  const float epsilon = traits().batchnorm.backward_epsilon;
  for (int f = 0; f < l.out_c; ++f) {
    if (l.scales[f] != 0) l.bias_updates[f] -= l.mean_delta[f] * std::sqrt(l.variance[f] + epsilon) / l.scales[f];
  }
}

// Exported by the library, though its header does not declare it.
template <class Function>
Function exported(const char* name) {
  void* address = dlsym(RTLD_DEFAULT, name);
  if (address == nullptr) fail("%s does not export %s", DNG_HOST_LIBRARY, name);
  return reinterpret_cast<Function>(address);
}

}  // namespace

size_t layer_size() { return sizeof(layer); }

void check_abi() { check_abi(layer_size()); }

void check_abi(size_t layer_size) {
  network* net = parse(kProbeCfg, false, "make a probe network");
  const bool fits = net->n == 2 && net->w == kProbeWidth && net->h == kProbeHeight && net->batch == 1;
  try {
    if (!fits) {
      fail(
          "%s was built with another darknet.h than this program: rebuild with 'make clean' and "
          "'make DARKNET_ROOT=DIR'",
          DNG_HOST_LIBRARY);
    }
    require_same_layout(net->layers, layer_size, kProbeWidth, kProbeHeight, DNG_HOST_LIBRARY);
  } catch (...) {
    destroy(net);
    throw;
  }
  destroy(net);
}

Network::Network(const std::string& cfg, bool verbose) : state_(new State) {
  state_->net = parse(cfg, verbose, "parse the cfg");
}

Network::~Network() {
  state_->own.restore(state_->net->layers);
  destroy(state_->net);
}

int Network::size() const { return state_->net->n; }
int Network::batch() const { return state_->net->batch; }
data::Geometry Network::output_shape(int index) const { return shape_of(state_->net->layers[index]); }
float* Network::output(int index) { return state_->net->layers[index].output; }
float* Network::delta(int index) { return state_->net->layers[index].delta; }

void Network::set_buffers(int index, float* output, float* delta) {
  network& net = *state_->net;
  state_->own.replace(net.layers, index, output, delta);
  // [shortcut] took copies of its sources' pointers when it was parsed.
  for (int i = 0; i < net.n; ++i) {
    layer& l = net.layers[i];
    if (l.type != SHORTCUT) continue;
    for (int k = 0; k < l.n; ++k) {
      if (l.input_layers[k] != index) continue;
      l.layers_output[k] = output;
      l.layers_delta[k] = delta;
    }
  }
}

std::vector<Block> Network::blocks(int index) { return blocks_of(state_->net->layers[index]); }

void Network::forward(int index, const float* input, bool training, int64_t steps) {
  const layer& l = state_->net->layers[index];
  const BatchNormRules& rules = traits().batchnorm;
  RollingStatistics rolling(l, training, steps,
                            l.type == CONNECTED ? rules.rolling_rate_connected : rules.rolling_rate);
  raw_forward(index, input, training);
  rolling.correct();
}

void Network::backward(int index, const float* input, float* input_delta, bool alone) {
  const layer& l = state_->net->layers[index];
  add_to_delta(l, input_delta, alone || !overwrites_delta(l), [&](float* delta) { raw_backward(index, input, delta); });
  add_lost_bias_gradient(l);
}

void Network::update(int index, int batch, float rate, float momentum, float decay) {
  const layer& l = state_->net->layers[index];
  if (l.update != nullptr) l.update(l, batch, rate, momentum, decay);
}

void Network::raw_forward(int index, const float* input, bool training) {
  const layer& l = state_->net->layers[index];
  l.forward(l, state_for(*state_->net, index, input, nullptr, training));
}

void Network::raw_backward(int index, const float* input, float* input_delta) {
  const layer& l = state_->net->layers[index];
  l.backward(l, state_for(*state_->net, index, input, input_delta, true));
}

void Network::raw_save_weights(const std::string& path) {
  const Quiet quiet("save weights", true);
  exported<void (*)(network, char*)>("save_weights")(*state_->net, const_cast<char*>(path.c_str()));
}

void Network::raw_load_weights(const std::string& path) {
  const Quiet quiet("load weights", true);
  exported<void (*)(network*, char*)>("load_weights")(state_->net, const_cast<char*>(path.c_str()));
}

std::vector<float> raw_eval_crop(const std::vector<float>& planes, const data::Geometry& from,
                                 const data::Geometry& to) {
  image source = make_image(from.width, from.height, from.channels);
  std::copy(planes.begin(), planes.end(), source.data);
  image resized = resize_min(source, to.width);
  image crop = crop_image(resized, (resized.w - to.width) / 2, (resized.h - to.height) / 2, to.width, to.height);
  std::vector<float> result(crop.data, crop.data + to.size());
  if (resized.data != source.data) free_image(resized);
  free_image(crop);
  free_image(source);
  return result;
}

}  // namespace dng::host
